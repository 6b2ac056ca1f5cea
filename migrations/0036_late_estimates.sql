-- A gateway that was stopped for longer than others wait for it, and goes on, ends its calls as estimated: it knows of
-- them what recovery knew, which has posted them in full. That took them for known, and a bill could give nothing back.

-- Ends a hold exactly once.
-- p_outcome: c completed · e estimated (the whole hold) · f failed (nothing). p_tokens: what it used of token limits.
-- verdict: settled · settled_before (no change) · adjusted (recovery had posted it in full; the difference is
--          posted) · voided (no change) · unknown (no such hold, no change)
-- alarm: the provider charged more than was held. Posted in full all the same: the ledger says what was billed.
--
-- As in 0032, but e of a hold that recovery has posted in full says nothing new and changes nothing, however often it
-- comes: settled_before, with what is posted. The hold stays unreconciled, and c and f still settle it.
create or replace function gboost_settle(
  p_request uuid, p_step smallint, p_attempt smallint, p_outcome "char", p_amount bigint, p_tokens bigint,
  p_record jsonb, p_gateway uuid, out verdict text, out alarm boolean, out posted bigint, out seq bigint)
language plpgsql as $$
declare
  h holds;  before bigint;  name text;  most constant bigint := 9223372036854775807;
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
  if h.state = 's' and (not h.unreconciled or p_outcome = 'e') then
    verdict := 'settled_before'; posted := h.actual; return;
  end if;

  before := h.actual;                             -- not null: recovery posted it
  posted := case p_outcome when 'c' then p_amount when 'e' then h.amount else 0 end;
  alarm := posted > h.amount;
  if alarm or p_tokens > h.tokens then            -- nothing else can make a counter larger than it is
    perform 1 from budget_periods p where p.id = any (h.periods || h.request_limits || h.token_limits
      || h.parallel_limits) order by p.id for no key update;
    select least(posted, min(most - (p.settled + p.held - coalesce(before, h.amount)))) into posted
      from budget_periods p where p.id = any (h.periods);
    if before is null and p_tokens > h.tokens then
      select least(p_tokens, min(most - (p.settled + p.held - h.tokens))) into p_tokens
        from budget_periods p where p.id = any (h.token_limits);
    end if;
    if p_outcome = 'c' and posted < p_amount then
      p_record := jsonb_set(p_record, '{reason}', to_jsonb(concat_ws('; ', p_record->>'reason', format(
        '%s nano-dollars were charged: posted is what its budgets can still count', p_amount))));
    end if;
  end if;
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
    update budget_periods p set settled = p.settled - before + posted,
           lim = greatest(p.target, p.settled - before + posted + p.held)
     where p.id = any (h.periods);
    perform gboost_alert(k) from unnest(h.periods) k;
    select p.seq into seq from gboost_post(h, 'adjustment', name, posted - before, p_record, p_gateway) p;
  end if;
end $$;
