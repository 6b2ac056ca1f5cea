-- What happens to one hold alone: late and repeated settlements, reservations given up, recovery.

drop function gboost_post(holds, text, text, bigint, bigint, bigint[], text, jsonb, uuid);
drop function gboost_settle(uuid, smallint, smallint, text, bigint, bigint[], text, jsonb, uuid);
drop function gboost_abandon(uuid, smallint, smallint, bigint, bigint, bigint, bigint, text, uuid);

-- Takes an open hold off its periods and adds what is posted. p_used: tokens. The caller has locked the hold.
create function gboost_release(p_hold holds, p_posted bigint, p_used bigint, p_requests int) returns void
language plpgsql as $$
declare
  k bigint;
begin
  perform 1 from budget_periods p where p.id = any (p_hold.periods || p_hold.request_limits || p_hold.token_limits
    || p_hold.parallel_limits) order by p.id for no key update;
  update budget_periods p
     set settled = p.settled + u.act, held = p.held - u.rel,
         lim = greatest(p.target, p.settled + u.act + p.held - u.rel)
    from (select unnest(p_hold.periods) k, p_hold.amount rel, p_posted act
          union all select unnest(p_hold.request_limits), 1, p_requests
          union all select unnest(p_hold.token_limits), p_hold.tokens, p_used
          union all select unnest(p_hold.parallel_limits), 1, 0) u
   where p.id = u.k;
  foreach k in array p_hold.periods loop perform gboost_alert(k); end loop;
end $$;

-- Writes ledger entry, escalation record and outbox row of p_posted.
create function gboost_post(p_hold holds, p_kind text, p_outcome text, p_posted bigint, p_record jsonb, p_gateway uuid,
  out entry bigint, out seq bigint)
language plpgsql as $$
begin
  insert into ledger_entries (taken_at, tenant_id, team_id, key_id, route, request_id, step, attempt, kind, outcome,
    held, amount, price_id, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cache_write_5m_tokens,
    cache_write_1h_tokens, images, is_batch, provider_request_id, usage, tags, periods)
  values (p_hold.taken_at, p_hold.tenant_id, p_hold.team_id, p_hold.key_id, p_hold.route, p_hold.request_id,
    p_hold.step, p_hold.attempt, p_kind, p_outcome, p_hold.amount, p_posted, p_hold.price_id,
    (p_record->>'in')::bigint, (p_record->>'cached')::bigint, (p_record->>'out')::bigint,
    (p_record->>'reasoning')::bigint, (p_record->>'write5m')::bigint, (p_record->>'write1h')::bigint,
    (p_record->>'images')::bigint, (p_record->>'batch')::boolean, p_record->>'provider', p_record->'usage',
    p_hold.tags, p_hold.periods)
  returning id into entry;
  insert into escalation_counters as c (tenant_id, seq) values (p_hold.tenant_id, 1)
    on conflict (tenant_id) do update set seq = c.seq + 1
    returning c.seq into seq;
  insert into escalations (tenant_id, seq, entry_id, entry_kind, request_id, step, attempt, team_id, key_id, route,
    price_id, held, amount, outcome, kind, reward_raw, reward_calibrated, shadow_price, actions, reason,
    slm_sha256, prm_sha256, prompt_hash, answer_hash, gateway)
  values (p_hold.tenant_id, seq, entry, p_kind, p_hold.request_id, p_hold.step, p_hold.attempt, p_hold.team_id,
    p_hold.key_id, p_hold.route, p_hold.price_id, p_hold.amount, p_posted, p_outcome, p_record->>'kind',
    (p_record->>'rewardRaw')::float8, (p_record->>'rewardCalibrated')::float8,
    (p_record->>'shadowPrice')::float8, coalesce(p_record->'actions', '[]'), p_record->>'reason',
    p_record->>'slmSHA256', p_record->>'prmSHA256', p_record->>'promptHash', p_record->>'answerHash', p_gateway);
  insert into outbox (tenant_id, kind, payload)
  values (p_hold.tenant_id, p_kind, jsonb_build_object('entry', entry, 'seq', seq, 'request', p_hold.request_id,
    'step', p_hold.step, 'attempt', p_hold.attempt, 'amount', p_posted, 'held', p_hold.amount));
end $$;

-- Ends a hold exactly once.
-- p_outcome: c completed · e estimated (the whole hold) · f failed (nothing). p_tokens: what it used of token limits.
-- verdict: settled · settled_before (no change) · adjusted (recovery had posted it in full; the difference is
--          posted) · voided (no change) · unknown (no such hold, no change)
-- alarm: the provider charged more than was held. Posted in full all the same: the ledger says what was billed.
create function gboost_settle(
  p_request uuid, p_step smallint, p_attempt smallint, p_outcome "char", p_amount bigint, p_tokens bigint,
  p_record jsonb, p_gateway uuid, out verdict text, out alarm boolean, out posted bigint, out seq bigint)
language plpgsql as $$
declare
  h holds;  before bigint;  name text;
begin
  alarm := false;
  if p_outcome not in ('c', 'e', 'f') or p_amount is null or p_amount < 0 then
    raise exception 'settlement of %/%/% is malformed', p_request, p_step, p_attempt using errcode = '22023';
  end if;
  name := case p_outcome when 'c' then 'completed' when 'e' then 'estimated' else 'failed' end;
  select * into h from holds where request_id = p_request and step = p_step and attempt = p_attempt
     for no key update;
  if not found then verdict := 'unknown'; return; end if;
  if h.state = 'v' then verdict := 'voided'; return; end if;
  if h.state = 's' and not h.unreconciled then verdict := 'settled_before'; posted := h.actual; return; end if;

  before := h.actual;                             -- not null: recovery posted it
  posted := case p_outcome when 'c' then p_amount when 'e' then h.amount else 0 end;
  alarm := posted > h.amount;
  update holds set state = 's', unreconciled = false, actual = posted, settled_at = now()
   where request_id = p_request and step = p_step and attempt = p_attempt and state in ('r', 'd', 's');
  if before is null then
    verdict := 'settled';
    perform gboost_release(h, posted,
      case p_outcome when 'c' then coalesce(p_tokens, h.tokens) when 'e' then h.tokens else 0 end, 1);
    select p.seq into seq from gboost_post(h,
      case p_outcome when 'c' then 'charge' when 'e' then 'estimate' else 'release' end, name, posted, p_record,
      p_gateway) p;
  else
    verdict := 'adjusted';
    -- Rate limits of that time are over, or were told the most that it could be.
    perform 1 from budget_periods p where p.id = any (h.periods) order by p.id for no key update;
    update budget_periods p set settled = p.settled + posted - before,
           lim = greatest(p.target, p.settled + posted - before + p.held)
     where p.id = any (h.periods);
    perform gboost_alert(k) from unnest(h.periods) k;
    select p.seq into seq from gboost_post(h, 'adjustment', name, posted - before, p_record, p_gateway) p;
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
  return (select s.verdict from gboost_settle(p_request, p_step, p_attempt, 'f', 0, 0,
    jsonb_build_object('kind', case when p_route is null then 'direct' else 'unknown' end,
      'reason', 'abandoned: the reservation was given up before the call'), p_gateway) s);
end $$;

-- Ends one orphan: never dispatched → voided; dispatched → posted in full, marked unreconciled.
-- verdict: voided · unreconciled · open (its gateway lives) · finished
create or replace function gboost_recover(
  p_request uuid, p_step smallint, p_attempt smallint, p_self uuid, p_journal uuid, p_ttl interval)
returns text language plpgsql as $$
declare
  h holds;
begin
  select * into h from holds where request_id = p_request and step = p_step and attempt = p_attempt
     for no key update;
  if not found or h.state not in ('r', 'd') then return 'finished'; end if;
  if not gboost_gateway_is_gone(h.gateway, p_self, p_journal, p_ttl) then return 'open'; end if;
  if h.state = 'r' then
    update holds set state = 'v', settled_at = now()
     where request_id = p_request and step = p_step and attempt = p_attempt;
    perform gboost_release(h, 0, 0, 0);
    return 'voided';
  end if;
  update holds set state = 's', unreconciled = true, actual = h.amount, settled_at = now()
   where request_id = p_request and step = p_step and attempt = p_attempt;
  perform gboost_release(h, h.amount, h.tokens, 1);
  perform gboost_post(h, 'unreconciled', null, h.amount, jsonb_build_object(
    'kind', case when h.route is null then 'direct' else 'unknown' end,
    'reason', 'recovered: the gateway was gone before the call was settled'), p_self);
  return 'unreconciled';
end $$;
