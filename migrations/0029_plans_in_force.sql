-- Five holes, each with the test that found it closed.

-- A function with its owner's rights looks for tables in the schema where they are, and in temporary ones last: who may
-- make a temporary table could else put one of his own in a table's place, and have its triggers run with these rights.
do $$
declare
  f regprocedure;
begin
  for f in select p.oid from pg_proc p where p.prosecdef and p.pronamespace = current_schema()::regnamespace
             and p.prokind = 'f' and p.proname like 'gboost\_%' loop
    execute format('alter function %s set search_path = %I, pg_temp', f, current_schema());
  end loop;
end $$;

-- As in 0012, but whether the plans are in force is asked once the periods' rows are locked. Asked before, a batch that
-- waited for a change of a budget would have gone through by the plan from before it.
create or replace function gboost_usual_batch(
  p_now timestamptz, p_gateway uuid, p_from timestamptz, p_until timestamptz, p_prices bigint, p_plans gboost_plan[],
  p_deltas gboost_delta[], p_counts gboost_count[], p_settlements gboost_settlement[],
  p_reservations gboost_reservation[],
  out taken_at timestamptz, out ids bigint[], out lims bigint[], out settled bigint[], out held bigint[])
language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  hits int;  alerts bigint[];
begin
  taken_at := coalesce(p_now, now());
  if cardinality(p_settlements) > 0 then
    update holds h set state = 's', settled_at = now(), actual = s.actual from unnest(p_settlements) s
      where h.request_id = s.request and h.step = s.step and h.attempt = s.attempt and h.state = 'd'
        and h.gateway = p_gateway and h.tenant_id = s.tenant and h.amount = s.held and h.periods = s.periods
        and h.taken_at = s.taken_at;
    get diagnostics hits = row_count;
    if hits <> cardinality(p_settlements) then raise sqlstate 'GB002' using message = 'a hold is not open'; end if;
  end if;

  with upd as (
    update budget_periods p set settled = p.settled + d.spent,
           held = p.held - d.released + d.wanted, lim = greatest(p.target, p.settled + p.held + d.spent - d.released)
      from unnest(p_deltas) d
     where p.id = d.period and least(d.spent, d.released, d.wanted) >= 0
    returning p.id, p.lim, p.settled, p.held, d.told, p.settled >= p.alert_at as due)
  select (select count(*) from upd), array_agg(u.id), array_agg(u.lim), array_agg(u.settled), array_agg(u.held),
      array_agg(u.id) filter (where u.due)
    into hits, ids, lims, settled, held, alerts from upd u where u.told or u.due;
  if hits <> cardinality(p_deltas) then raise sqlstate 'GB002' using message = 'a period is missing'; end if;
  -- Only now: who changes a plan locks the rows of its periods, and what waited for them sees what it has changed.
  if cardinality(p_reservations) > 0 then
    perform from gateways g, catalog_version v
      where g.incarnation = p_gateway and g.stopped_at is null and g.recovered_at is null and v.prices = p_prices
        and not exists (select from unnest(p_plans) u
          where not exists (select from tenants t where t.id = u.tenant and t.version = u.version));
    if not found or taken_at < p_from or taken_at >= p_until then
      raise sqlstate 'GB002' using message = 'a plan is out of date';
    end if;
  end if;
  if alerts is not null then perform gboost_alert(k) from unnest(alerts) k; end if;

  if cardinality(p_settlements) > 0 then
    update escalation_counters c set seq = c.seq + u.settlements from unnest(p_counts) u where c.tenant_id = u.tenant;
    get diagnostics hits = row_count;
    if hits <> cardinality(p_counts) then raise sqlstate 'GB002' using message = 'a tenant''s first'; end if;
    with n as materialized (
      select nextval('ledger_entries_id_seq') as entry, c.seq + s.back as seq, s.*
        from unnest(p_settlements) s join escalation_counters c on c.tenant_id = s.tenant),
    entries as (
      insert into ledger_entries (id, taken_at, tenant_id, team_id, key_id, route, request_id, step, attempt, kind,
        outcome, held, amount, price_id, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
        cache_write_5m_tokens, cache_write_1h_tokens, images, is_batch, provider_request_id, usage, tags, periods)
      overriding system value
      select entry, n.taken_at, tenant, team, key, route, request, step, attempt, kind, outcome, n.held, actual, price,
        input, cached, output, reasoning, write_5m, write_1h, images, is_batch, provider_request_id, usage, tags,
        periods
      from n),
    told as (
      insert into outbox (tenant_id, kind, entry_id, seq)
      select tenant, n.kind, entry, seq from n)
    insert into escalations (tenant_id, seq, entry_id, entry_kind, request_id, step, attempt, team_id, key_id, route,
        price_id, held, amount, outcome, kind, reward_raw, reward_calibrated, shadow_price, actions, reason,
        slm_sha256, prm_sha256, prompt_hash, answer_hash, gateway)
      select tenant, seq, entry, n.kind, request, step, attempt, team, key, route, price, n.held, actual,
        outcome, escalation, reward_raw, reward_calibrated, shadow_price, coalesce(actions, '[]'), reason, slm_sha256,
        prm_sha256, prompt_hash, answer_hash, p_gateway
      from n;
  end if;
  insert into holds (request_id, step, attempt, state, tenant_id, team_id, key_id, price_id, route, amount, tokens,
      periods, request_limits, token_limits, parallel_limits, tags, gateway, taken_at)
    select request, step, attempt, 'd', tenant, team, key, price, route, amount, tokens, periods, request_limits,
        token_limits, parallel_limits, tags, p_gateway, gboost_usual_batch.taken_at
      from unnest(p_reservations);
end $$;

-- As in 0012, and for the same reason asked twice: the first time spares a lock.
create or replace function gboost_batch(
  p_now timestamptz, p_gateway uuid, p_from timestamptz, p_until timestamptz, p_prices bigint, p_plans gboost_plan[],
  p_settlements gboost_settlement[], p_reservations gboost_reservation[],
  out taken_at timestamptz, out ids bigint[], out lims bigint[], out settled bigint[], out held bigint[],
  out s_verdict smallint[], out r_verdict smallint[], out r_period bigint[], out r_used bigint[])
language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  ns int := cardinality(p_settlements);  nr int := cardinality(p_reservations);
  -- Edges: what a reservation wants of a period, in its unit; in the order of the reservations.
  e_o int[];  e_k bigint[];  e_i int[];  e_x bigint[];  e_money boolean[];
  plan record;  tried record;  hits bigint[];  over boolean;  alerts bigint[];
  room bigint[];  want bigint[];  e int := 1;  first int;  worst int;  is_money boolean;
begin
  taken_at := coalesce(p_now, now());
  r_verdict := array_fill(0::smallint, array[nr]);  ids := '{}';
  if nr > 0 then
    select array_agg(r.ordinality::int order by r.ordinality, u.n, u.k),
        array_agg(u.k order by r.ordinality, u.n, u.k), array_agg(u.x order by r.ordinality, u.n, u.k),
        array_agg(u.n = 1 order by r.ordinality, u.n, u.k)
      into e_o, e_k, e_x, e_money
      from unnest(p_reservations) with ordinality r cross join lateral (
        select unnest(r.periods) k, r.amount x, 1 n union all select unnest(r.request_limits), 1, 2
        union all select unnest(r.token_limits), r.tokens, 3 union all select unnest(r.parallel_limits), 1, 4) u;
    select array_agg(distinct k order by k) into ids from unnest(e_k) k;
    select array_agg(array_position(ids, k) order by o) into e_i from unnest(e_k) with ordinality u(k, o);
    -- fenced: the gateway is not registered, or was taken for dead. stale: the clock has left the plans' span, or
    -- prices have changed. changed: tenants whose plans are out of date.
    select not exists (select from gateways g
        where g.incarnation = p_gateway and g.stopped_at is null and g.recovered_at is null) as fenced,
      taken_at < p_from or taken_at >= p_until or (select v.prices from catalog_version v) <> p_prices as stale,
      (select array_agg(u.tenant) from unnest(p_plans) u
        where not exists (select from tenants t where t.id = u.tenant and t.version = u.version)) as changed
      into plan;
    if plan.fenced or plan.stale then
      r_verdict := array_fill(case when plan.fenced then 5 else 3 end::smallint, array[nr]);
    elsif plan.changed is not null then
      select array_agg(case when tenant = any (plan.changed) then 3 else 0 end::smallint order by ordinality)
        into r_verdict from unnest(p_reservations) with ordinality;
    end if;
    select * into r_verdict, r_period, r_used from gboost_batch_known(r_verdict, p_gateway, p_reservations);
    if exists (select from unnest(ids) k where not exists (select from budget_periods p where p.id = k)) then
      select array_agg(case when v = 0 and exists (select from unnest(e_o, e_k) u(q, k) where u.q = o
               and not exists (select from budget_periods p where p.id = u.k)) then 3 else v end order by o)
        into r_verdict from unnest(r_verdict) with ordinality u(v, o);
    end if;
    if ns = 0 and 0 = any (r_verdict) then       -- what cannot fit as things stand needs no lock
      for tried in select distinct on (u.o) u.o, p.id from unnest(e_o, e_k, e_x, e_money) u(o, k, x, m)
                 join budget_periods p on p.id = u.k
                 where r_verdict[u.o] = 0 and p.lim - p.settled - p.held < u.x
                 order by u.o, not u.m, p.lim - p.settled - p.held, p.id loop
        r_verdict[tried.o] := 2;  r_period[tried.o] := tried.id;
      end loop;
    end if;
    if ns = 0 and 0 <> all (r_verdict) then      -- nothing to write: no transaction id, no flush
      select array_agg(p.lim order by k.o), array_agg(p.settled order by k.o), array_agg(p.held order by k.o)
        into lims, settled, held
        from unnest(ids) with ordinality k(id, o) left join budget_periods p on p.id = k.id;
      return;
    end if;
  end if;

  -- One ordered pass over the holds, one over the periods, which locks those of the reservations, too.
  with s as materialized (
    select * from unnest(p_settlements) with ordinality order by request, step, attempt),
  done as (
    update holds h set state = 's', settled_at = now(),
           actual = case s.outcome when 'completed' then s.actual when 'estimated' then h.amount else 0 end
      from s where h.request_id = s.request and h.step = s.step and h.attempt = s.attempt and h.state = 'd'
    returning h.request_id, h.step, h.attempt, h.tenant_id, h.team_id, h.key_id, h.price_id, h.route,
      h.amount::bigint as amount, h.actual::bigint as actual, h.periods, h.taken_at, h.tags, h.tokens::bigint as tokens,
      h.request_limits, h.token_limits, h.parallel_limits, s.kind, s.outcome, s.input, s.cached, s.output, s.reasoning,
      s.write_5m, s.write_1h, s.images, s.is_batch, s.provider_request_id, s.usage, s.escalation, s.reward_raw,
      s.reward_calibrated, s.shadow_price, s.actions, s.reason, s.slm_sha256, s.prm_sha256, s.prompt_hash,
      s.answer_hash, s.ordinality as o,
      case s.outcome when 'completed' then coalesce(s.used, h.tokens) when 'estimated' then h.tokens else 0 end used),
  d as (
    select k, sum(rel)::bigint rel, sum(act)::bigint act from (
      select unnest(periods) k, amount rel, actual act from done
      union all select unnest(request_limits), 1, 1 from done
      union all select unnest(token_limits), tokens, used from done
      union all select unnest(parallel_limits), 1, 0 from done
      union all select unnest(ids), 0, 0) u
     group by k order by k),
  upd as (
    update budget_periods p set settled = p.settled + d.act, held = p.held - d.rel,
           lim = greatest(p.target, p.settled + p.held + d.act - d.rel)
      from d where p.id = d.k
    returning p.id, p.settled >= p.alert_at as due),
  n as materialized (
    select done.*, nextval('ledger_entries_id_seq') as entry,
      row_number() over (partition by tenant_id order by o) - count(*) over (partition by tenant_id) as back
    from done),
  counted as (
    insert into escalation_counters as c (tenant_id, seq)
      select tenant_id, count(*) from done where (select count(*) from upd) is not null group by 1 order by 1
      on conflict (tenant_id) do update set seq = c.seq + excluded.seq
      returning c.tenant_id, c.seq),
  numbered as materialized (select n.*, c.seq + n.back as seq from n join counted c using (tenant_id)),
  entries as (
    insert into ledger_entries (id, taken_at, tenant_id, team_id, key_id, route, request_id, step, attempt, kind,
      outcome, held, amount, price_id, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
      cache_write_5m_tokens, cache_write_1h_tokens, images, is_batch, provider_request_id, usage, tags, periods)
    overriding system value
    select entry, numbered.taken_at, tenant_id, team_id, key_id, route, request_id, step, attempt, kind, outcome, amount,
      actual, price_id, input, cached, output, reasoning, write_5m, write_1h, images, is_batch, provider_request_id,
      usage, tags, periods
    from numbered),
  records as (
    insert into escalations (tenant_id, seq, entry_id, entry_kind, request_id, step, attempt, team_id, key_id, route,
      price_id, held, amount, outcome, kind, reward_raw, reward_calibrated, shadow_price, actions, reason,
      slm_sha256, prm_sha256, prompt_hash, answer_hash, gateway)
    select tenant_id, seq, entry, kind, request_id, step, attempt, team_id, key_id, route, price_id, amount, actual,
      outcome, escalation, reward_raw, reward_calibrated, shadow_price, coalesce(actions, '[]'), reason, slm_sha256,
      prm_sha256, prompt_hash, answer_hash, p_gateway
    from numbered),
  told as (
    insert into outbox (tenant_id, kind, entry_id, seq) select tenant_id, kind, entry, seq from numbered)
  select array_agg(id order by id) filter (where due), (select array_agg(o) from done),
      (select bool_or(actual > amount) from done)
    into alerts, hits, over from upd;
  if alerts is not null then perform gboost_alert(k) from unnest(alerts) k; end if;

  if ns > 0 then
    if cardinality(hits) = ns and over is not true then s_verdict := array_fill(0::smallint, array[ns]);
    else
      select array_agg(case when s.ordinality <> all (coalesce(hits, '{}')) then 2 when h.actual > h.amount then 1
               else 0 end::smallint order by s.ordinality) into s_verdict
        from unnest(p_settlements) with ordinality s
        left join holds h on h.request_id = s.request and h.step = s.step and h.attempt = s.attempt;
    end if;
  end if;
  if nr = 0 then return; end if;

  -- Anew: who changes a plan locks the rows of its periods, which this may have waited for.
  if exists (select from unnest(p_plans) u
      where not exists (select from tenants t where t.id = u.tenant and t.version = u.version)) then
    select array_agg(case when r_verdict[r.ordinality] = 0 and exists (select from unnest(p_plans) u
               where u.tenant = r.tenant
                 and not exists (select from tenants t where t.id = u.tenant and t.version = u.version))
             then 3 else r_verdict[r.ordinality] end::smallint order by r.ordinality)
      into r_verdict from unnest(p_reservations) with ordinality r;
  end if;

  -- The rows are locked now: try the calls one by one.
  select array_agg(p.lim - p.settled - p.held order by k.o), array_agg(0::bigint) into room, want
    from unnest(ids) with ordinality k(id, o) left join budget_periods p on p.id = k.id;
  for i in 1 .. nr loop
    first := e;  worst := null;
    while e_o[e] = i loop e := e + 1; end loop;
    continue when r_verdict[i] <> 0;
    for q in first .. e - 1 loop
      if room[e_i[q]] < e_x[q] and (worst is null or e_money[q] and (not is_money or room[e_i[q]] < room[worst]))
      then worst := e_i[q];  is_money := e_money[q]; end if;
    end loop;
    if worst is not null then r_verdict[i] := 2;  r_period[i] := ids[worst];  continue; end if;
    for q in first .. e - 1 loop
      room[e_i[q]] := room[e_i[q]] - e_x[q];  want[e_i[q]] := want[e_i[q]] + e_x[q];
    end loop;
  end loop;
  update budget_periods p set held = p.held + u.w from unnest(ids, want) u(k, w) where p.id = u.k and u.w > 0;
  select array_agg(p.lim order by k.o), array_agg(p.settled order by k.o), array_agg(p.held order by k.o)
    into lims, settled, held
    from unnest(ids) with ordinality k(id, o) left join budget_periods p on p.id = k.id;
  insert into holds (request_id, step, attempt, state, tenant_id, team_id, key_id, price_id, route, amount, tokens,
      periods, request_limits, token_limits, parallel_limits, tags, gateway, taken_at)
    select request, step, attempt, 'd', tenant, team, key, price, route, amount, tokens, periods, request_limits,
        token_limits, parallel_limits, tags, p_gateway, gboost_batch.taken_at
      from unnest(p_reservations) with ordinality r where r_verdict[r.ordinality] = 0;
end $$;

-- Lets recovery skip gateways that are gone for good. One that comes back is fenced until its next heartbeat. Called
-- when gboost_orphans finds nothing with the same margin. As in 0019, but never before the time to live is over, also
-- where it is certain that the process is dead: a statement of its may wait for a row at the server, and take its hold
-- after that.
create or replace function gboost_mark_recovered(p_self uuid, p_journal uuid, p_ttl interval, p_margin interval) returns void
language plpgsql as $$
declare
  gone record;  busy uuid[];
begin
  select * into gone from gboost_gone(p_self, p_journal, p_ttl, p_margin);
  if gone.incarnations is null then return; end if;
  select array_agg(distinct h.gateway) into busy from holds h
   where h.created_at >= gone.since and h.state in ('r', 'd') and h.gateway = any (gone.incarnations);
  update gateways g set recovered_at = now()
   where g.incarnation = any (gone.incarnations) and g.incarnation <> all (coalesce(busy, '{}'))
     and (coalesce(g.stopped_at, g.heartbeat_at) < now() - p_ttl
       and (g.stopped_at is not null or g.journal_id = p_journal) or g.heartbeat_at < now() - 10 * p_ttl);
end $$;

-- What the periods before the one that begins on p_first pass on: their targets less what was settled or held in them.
-- It moves: a period that has passed money on cannot grant it any more. A period without traffic has no row and passes
-- on everything, up to the budget's rollover_n.
create or replace function gboost_carry(p_budget budgets, p_first date, p_zone text) returns bigint language plpgsql as $$
declare
  day date;  old budget_periods;  carry bigint;
  step interval := case p_budget.cycle when 'quarter' then interval '3 months'
    else ('1 ' || p_budget.cycle)::interval end;
begin
  -- Weeks that began on another day, before they were cut anew, pass nothing on: those in use since count their spend.
  select * into old from budget_periods p
   where p.id >= p_budget.id * 100000000
     and p.id < p_budget.id * 100000000
       + to_char(p_first, case p_budget.cycle when 'month' then 'YYYYMM00' else 'YYYYMMDD' end)::bigint
   order by p_budget.cycle <> 'week' or gboost_begins_on(p.id, p_budget.week_start) desc, p.id desc
   limit 1 for no key update;
  if found then
    if p_budget.cycle = 'week' and not gboost_begins_on(old.id, p_budget.week_start) then return 0; end if;
    -- Nor do weeks from before a time of other weeks: what was spent in that time stands in those.
    if p_budget.cycle = 'week' and exists (select from budget_periods p
        where p.id >= p_budget.id * 100000000
            + to_char(to_date((old.id % 100000000)::text, 'YYYYMMDD') + 7, 'YYYYMMDD')::bigint
          and p.id < p_budget.id * 100000000 + to_char(p_first, 'YYYYMMDD')::bigint) then return 0; end if;
    carry := greatest(0, least(old.target - old.settled - old.held, p_budget.rollover_n));
    update budget_periods p
       set passed_on = p.passed_on + carry, target = p.target - carry,
           lim = greatest(p.target - carry, p.settled + p.held)
     where p.id = old.id;
    day := case p_budget.cycle when 'month' then to_date((old.id / 100 % 1000000)::text, 'YYYYMM')
      else to_date((old.id % 100000000)::text, 'YYYYMMDD') end;
  else
    select p.first_day into day
      from gboost_period(p_budget.cycle, p_budget.week_start, p_zone, p_budget.created_at) p;
    if day >= p_first then return 0; end if;
    carry := least(gboost_limit_on(p_budget, day), p_budget.rollover_n);
  end if;
  loop
    day := (day + step)::date;
    exit when day >= p_first;
    carry := least(gboost_limit_on(p_budget, day) + carry, p_budget.rollover_n);
  end loop;
  return carry;
end $$;
