-- Batches as arrays of rows, and the usual batch apart from all others.
--
-- A batch came as forty arrays: to unnest as many takes the server ten times as long as one array of rows. And a batch
-- in which every settlement finds its hold, every plan is in force and everything fits, which is nearly every one,
-- needs nothing of what the others need: it has a function of its own, which does it or does nothing.

-- A check is read anew by every statement that writes its table, a domain's once a session.
create domain nano_usd as bigint check (value >= 0);
create domain hold_state as "char" check (value in ('r', 'd', 's', 'v'));  -- reserved, dispatched, settled, voided
create domain entry_kind as text
  check (value in ('charge', 'release', 'estimate', 'unreconciled', 'adjustment'));
create domain entry_outcome as text check (value in ('completed', 'estimated', 'failed'));
create domain escalation_kind as text check (value in ('step', 'rest', 'direct', 'unknown'));

alter table holds drop constraint holds_sane,
  alter column state type hold_state, alter column amount type nano_usd, alter column actual type nano_usd,
  alter column tokens type nano_usd;
alter table ledger_entries drop constraint ledger_entries_sane,
  alter column kind type entry_kind, alter column outcome type entry_outcome;
alter table escalations drop constraint escalations_kind_check, alter column kind type escalation_kind;
alter table budget_periods drop constraint budget_periods_sane, drop constraint hard_cap, drop column fits,
  alter column target type nano_usd, alter column topup type nano_usd,
  add constraint hard_cap check (settled + held <= lim and least(settled, held) >= 0);  -- at every commit

-- A ledger entry's row names it: what happened is in the entry and its escalation.
alter table outbox add column entry_id bigint, add column seq bigint, alter column payload drop not null;

-- What a batch is made of.
create type gboost_plan as (tenant bigint, version bigint);              -- what reservations were planned with
create type gboost_count as (tenant bigint, settlements bigint);         -- ascending by tenant
-- Ascending by period. told: a reservation counts on it, if for nothing, and is told how much is left.
create type gboost_delta as (period bigint, released bigint, spent bigint, wanted bigint, told boolean);
create type gboost_reservation as (
  request uuid, step smallint, attempt smallint, tenant bigint, team bigint, key bigint, price bigint, route text,
  amount bigint, tokens bigint, ceiling bigint, periods bigint[], request_limits bigint[], token_limits bigint[],
  parallel_limits bigint[], tags text[]);
-- held … taken_at: the hold's, as its gateway knows it. kind: the entry's; escalation: the escalation's. used: of
-- token limits; null: all that was held. back: 0 for the last of its tenant in the batch, -1 for the one before it.
create type gboost_settlement as (
  request uuid, step smallint, attempt smallint, tenant bigint, team bigint, key bigint, price bigint, route text,
  held bigint, periods bigint[], tags text[], taken_at timestamptz, actual bigint, used bigint, kind text, outcome text,
  input bigint, cached bigint, output bigint, reasoning bigint, write_5m bigint, write_1h bigint, images bigint,
  is_batch boolean, provider_request_id text, usage jsonb,
  escalation text, reward_raw float8, reward_calibrated float8, shadow_price float8, actions jsonb, reason text,
  slm_sha256 text, prm_sha256 text, prompt_hash text, answer_hash text, back bigint);

drop function gboost_reserve_one(timestamptz, uuid, timestamptz, timestamptz, bigint, bigint, uuid, smallint, smallint,
  bigint, bigint, bigint, bigint, text, bigint, bigint, text, text, text, text, text, bigint[], bigint[]);
drop function gboost_batch(boolean, timestamptz, uuid, timestamptz, timestamptz, bigint, bigint[], bigint[], uuid[],
  smallint[], smallint[], "char"[], bigint[], bigint[], jsonb[], uuid[], smallint[], smallint[], bigint[], bigint[],
  bigint[], bigint[], text[], bigint[], bigint[], bigint[], text[], text[], text[], text[], text[], bigint[], bigint[],
  int[], int[], bigint[], boolean[]);
drop function gboost_batch_known(smallint[], uuid, uuid[], smallint[], smallint[], bigint[], bigint[], bigint[],
  bigint[], bigint[]);

-- Settles and reserves in one commit, where every settlement finds its hold as its gateway knows it, every plan is in
-- force, and everything fits. Else it is an error and nothing is done: ask gboost_batch. GB002: something is not as
-- the gateway knows it; 23505: an id was used before; 23514: a period has no room.
--
-- Lock order as everywhere: holds (by key), period rows (by id), escalation counters (by tenant). The planner settings
-- pin the joins to nested loops in the order of the arrays, which come sorted. jit = off: plans with joins turned off
-- look dear, and what looks dear is compiled first, for 200 ms.
-- ids: the periods to be told, and others, in any order, with their states after the batch.
create function gboost_usual_batch(
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
  if cardinality(p_reservations) > 0 then
    perform from gateways g, catalog_version v
      where g.incarnation = p_gateway and g.stopped_at is null and g.recovered_at is null and v.prices = p_prices
        and not exists (select from unnest(p_plans) u
          where not exists (select from tenants t where t.id = u.tenant and t.version = u.version));
    if not found or taken_at < p_from or taken_at >= p_until then
      raise sqlstate 'GB002' using message = 'a plan is out of date';
    end if;
  end if;
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

-- What is known of reservations before anything is tried: ids used before, requests above their ceiling.
create function gboost_batch_known(
  p_verdict smallint[], p_gateway uuid, p_reservations gboost_reservation[],
  out verdict smallint[], out period bigint[], out used bigint[])
language plpgsql stable
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off
set jit = off as $$
declare
  rec record;
begin
  verdict := p_verdict;
  period := array_fill(null::bigint, array[cardinality(p_reservations)]);  used := period;
  -- An id that is known already, also to a stale plan: the first answer may only have been lost.
  for rec in
    select r.ordinality as o, n = 1 and h.state = 'd' and h.tenant_id = r.tenant and h.key_id = r.key
        and h.price_id = r.price and h.amount = r.amount and h.gateway = p_gateway as same
      from (select *, row_number() over (partition by request, step, attempt order by ordinality) n
              from unnest(p_reservations) with ordinality) r
      left join holds h on h.request_id = r.request and h.step = r.step and h.attempt = r.attempt
     where h.request_id is not null or n > 1 loop
    verdict[rec.o] := case when verdict[rec.o] = 5 then 5 when rec.same then 1 else 4 end;
  end loop;
  for rec in
    select r.ordinality as o, coalesce(sum(coalesce(h.actual, h.amount)), 0)::bigint as spent, r.ceiling, r.amount
      from unnest(p_reservations) with ordinality r
      left join holds h on h.request_id = r.request and h.state in ('r', 'd', 's')
     where r.ceiling is not null group by r.ordinality, r.ceiling, r.amount loop
    used[rec.o] := rec.spent;
    if verdict[rec.o] = 0 and rec.spent + rec.amount > rec.ceiling then verdict[rec.o] := 6; end if;
  end loop;
end $$;

-- The same for any batch. Settles what is open first, then tries the reservations one by one, in array order. Each item
-- succeeds or fails on its own.
-- s_verdict: 0 settled now · 1 settled now above its hold (alarm) · 2 not open: ask gboost_settle
-- r_verdict: 0 granted · 1 granted before and still open (replay) · 2 refused by the period r_period · 3 planned with
--      what is no longer in force: plan anew · 4 this id is finished or was used for another call: nothing may be sent
--      · 5 fenced: send a heartbeat first · 6 above the request's ceiling, of which r_used is used
create function gboost_batch(
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

-- One settlement alone, as 0009 has it, with the outbox row of today.
create or replace function gboost_post(p_hold holds, p_kind text, p_outcome text, p_posted bigint, p_record jsonb,
  p_gateway uuid, out entry bigint, out seq bigint)
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
  insert into outbox (tenant_id, kind, entry_id, seq) values (p_hold.tenant_id, p_kind, entry, seq);
end $$;
