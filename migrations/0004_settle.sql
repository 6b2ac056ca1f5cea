-- Ending a hold.

-- Posts p_posted on a hold whose row the caller has locked and changed: moves held to settled in the hold's own
-- periods, writes ledger entry, escalation record and outbox row. p_release is what leaves held.
create function gboost_post(
  p_hold holds, p_kind text, p_outcome text, p_release bigint, p_posted bigint, p_usage bigint[],
  p_provider_request text, p_escalation jsonb, p_gateway uuid,
  out entry bigint, out seq bigint)
language plpgsql as $$
begin
  perform 1 from budget_periods p where p.id = any (p_hold.periods) order by p.id for no key update;
  update budget_periods p
     set settled = p.settled + p_posted, held = p.held - p_release,
         lim = greatest(p.target, p.settled + p_posted + p.held - p_release)
   where p.id = any (p_hold.periods);
  insert into ledger_entries (taken_at, tenant_id, team_id, key_id, route, request_id, step, attempt, kind, outcome,
    held, amount, price_id, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, provider_request_id,
    periods)
  values (p_hold.taken_at, p_hold.tenant_id, p_hold.team_id, p_hold.key_id, p_hold.route, p_hold.request_id,
    p_hold.step, p_hold.attempt, p_kind, p_outcome, p_hold.amount, p_posted, p_hold.price_id,
    p_usage[1], p_usage[2], p_usage[3], p_usage[4], p_provider_request, p_hold.periods)
  returning id into entry;
  insert into escalation_counters as c (tenant_id, seq) values (p_hold.tenant_id, 1)
    on conflict (tenant_id) do update set seq = c.seq + 1
    returning c.seq into seq;
  insert into escalations (tenant_id, seq, entry_id, entry_kind, request_id, step, attempt, team_id, key_id, route,
    price_id, held, amount, outcome, kind, reward_raw, reward_calibrated, shadow_price, actions, reason,
    slm_sha256, prm_sha256, prompt_hash, answer_hash, gateway)
  values (p_hold.tenant_id, seq, entry, p_kind, p_hold.request_id, p_hold.step, p_hold.attempt, p_hold.team_id,
    p_hold.key_id, p_hold.route, p_hold.price_id, p_hold.amount, p_posted, p_outcome, p_escalation->>'kind',
    (p_escalation->>'rewardRaw')::float8, (p_escalation->>'rewardCalibrated')::float8,
    (p_escalation->>'shadowPrice')::float8, coalesce(p_escalation->'actions', '[]'), p_escalation->>'reason',
    p_escalation->>'slmSHA256', p_escalation->>'prmSHA256', p_escalation->>'promptHash',
    p_escalation->>'answerHash', p_gateway);
  insert into outbox (tenant_id, kind, payload)
  values (p_hold.tenant_id, p_kind, jsonb_build_object('entry', entry, 'seq', seq, 'request', p_hold.request_id,
    'step', p_hold.step, 'attempt', p_hold.attempt, 'amount', p_posted, 'held', p_hold.amount));
end $$;

-- Ends a hold exactly once.
-- verdict: settled · settled_before (no change) · adjusted (recovery had posted it in full; the difference is
--          posted) · voided (no change) · unknown (no such hold, no change)
-- alarm: the provider charged more than was held. Posted in full all the same: the ledger says what was billed.
create function gboost_settle(
  p_request uuid, p_step smallint, p_attempt smallint, p_outcome text, p_amount bigint, p_usage bigint[],
  p_provider_request text, p_escalation jsonb, p_gateway uuid,
  out verdict text, out alarm boolean, out posted bigint, out seq bigint)
language plpgsql as $$
declare
  h holds;  before bigint;
begin
  alarm := false;
  if p_outcome not in ('completed', 'estimated', 'failed') or p_amount is null or p_amount < 0 then
    raise exception 'settlement of %/%/% is malformed', p_request, p_step, p_attempt using errcode = '22023';
  end if;
  select * into h from holds where request_id = p_request and step = p_step and attempt = p_attempt
     for no key update;
  if not found then verdict := 'unknown'; return; end if;
  if h.state = 'v' then verdict := 'voided'; return; end if;
  if h.state = 's' and not h.unreconciled then verdict := 'settled_before'; posted := h.actual; return; end if;

  before := h.actual;                             -- not null: recovery posted it
  posted := case p_outcome when 'completed' then p_amount when 'estimated' then h.amount else 0 end;
  alarm := posted > h.amount;
  update holds set state = 's', unreconciled = false, actual = posted, settled_at = now()
   where request_id = p_request and step = p_step and attempt = p_attempt and state in ('r', 'd', 's');
  if before is null then
    verdict := 'settled';
    select p.seq into seq from gboost_post(h,
      case p_outcome when 'completed' then 'charge' when 'estimated' then 'estimate' else 'release' end, p_outcome,
      h.amount, posted, p_usage, p_provider_request, p_escalation, p_gateway) p;
  else
    verdict := 'adjusted';
    select p.seq into seq from gboost_post(h, 'adjustment', p_outcome, 0, posted - before, p_usage,
      p_provider_request, p_escalation, p_gateway) p;
  end if;
end $$;

-- Gives up a reservation whose answer never arrived, or that nobody waits for any more: nothing was sent to the
-- provider. A hold that was taken is settled at zero; else a voided row takes the id, so that a reservation still
-- under way in another session cannot take it later.
create function gboost_abandon(
  p_request uuid, p_step smallint, p_attempt smallint, p_tenant bigint, p_key bigint, p_price bigint, p_amount bigint,
  p_route text, p_gateway uuid)
returns text language plpgsql as $$
begin
  insert into holds (request_id, step, attempt, state, tenant_id, key_id, price_id, route, amount, periods, gateway,
                     taken_at, settled_at)
  values (p_request, p_step, p_attempt, 'v', p_tenant, p_key, p_price, p_route, p_amount, '{}', p_gateway, now(), now())
  on conflict do nothing;
  if found then return 'voided'; end if;
  return (select s.verdict from gboost_settle(p_request, p_step, p_attempt, 'failed', 0, null, null,
    jsonb_build_object('kind', case when p_route is null then 'direct' else 'unknown' end,
      'reason', 'abandoned: the reservation was given up before the call'), p_gateway) s);
end $$;
