-- Group commit: many settlements and reservations in one statement and one commit.
--
-- Lock order everywhere: a tenant (administration only), budgets, existing holds (by key), period rows (by id), the
-- tenants' escalation counters (by tenant). New rows last.

alter table holds
  add column tokens          bigint not null default 0 check (tokens >= 0),  -- the most that it may use, for token limits
  add column request_limits  bigint[],            -- period rows of rate limits, by unit; null: none
  add column token_limits    bigint[],
  add column parallel_limits bigint[],
  add column tags            text[];
alter table ledger_entries
  add column cache_write_5m_tokens bigint,
  add column cache_write_1h_tokens bigint,
  add column images                bigint,
  add column is_batch              boolean,
  add column usage                 jsonb,         -- as the provider sent it
  add column tags                  text[];

-- A check is read anew by every statement that writes its table: one that says all of it is cheaper than several.
alter table holds
  drop constraint holds_amount_check, drop constraint holds_actual_check, drop constraint holds_state_check,
  drop constraint holds_check, drop constraint holds_tokens_check,
  add constraint holds_sane check (state in ('r', 'd', 's', 'v') and amount >= 0 and tokens >= 0
    and (state = 's') = (actual is not null) and coalesce(actual, 0) >= 0);
alter table ledger_entries
  drop constraint ledger_entries_kind_check, drop constraint ledger_entries_outcome_check,
  drop constraint ledger_entries_check,
  add constraint ledger_entries_sane check (kind in ('charge', 'release', 'estimate', 'unreconciled', 'adjustment')
    and (outcome is null or outcome in ('completed', 'estimated', 'failed')) and (amount >= 0 or kind = 'adjustment'));

drop function gboost_reserve(uuid, smallint, smallint, bigint, bigint, text, text, text, bigint, bigint, uuid,
  timestamptz);
drop function gboost_replay_verdict(holds, bigint, bigint, bigint, bigint, uuid);
drop function gboost_applying(bigint, bigint, bigint, timestamptz);

-- Settles, then reserves, in one commit. Each item succeeds or fails on its own. Reservations are tried in array order.
--
-- d_*: the distinct period rows of all reservations, ascending by id, with what is wanted of each in its own unit.
-- e_*: the same, unsummed: reservation (by ordinal), period (index into d_id), amount, whether it is money; in the
--      order of the reservations. Text arrays hold array literals, one for each reservation.
-- p_exact: settles what is certain first, then tries the reservations one by one. Set it on a resend, and while a
--      budget of the batch has refused lately.
-- s_verdict: 0 settled now · 1 settled now above its hold (alarm) · 2 not open: ask gboost_settle
-- r_verdict: 0 granted · 1 granted before and still open (replay) · 2 refused by the period r_period · 3 planned with
--      what is no longer in force: plan anew · 4 this id is finished or was used for another call: nothing may be sent
--      · 5 fenced: send a heartbeat first · 6 above the request's ceiling, of which r_used is used
-- d_lim, d_settled, d_held: the periods' states after the batch, in the order of d_id.
-- jit = off: plans with joins turned off look dear, and what looks dear is compiled first, for 200 ms.
-- Error GB002 means: nothing was done, send again with p_exact. So does 23505 (an id was used before).
create function gboost_batch(
  p_exact boolean, p_now timestamptz, p_gateway uuid, p_from timestamptz, p_until timestamptz, p_prices bigint,
  p_tenants bigint[], p_versions bigint[],
  s_req uuid[], s_step smallint[], s_att smallint[], s_outcome "char"[], s_amount bigint[], s_tokens bigint[],
  s_record jsonb[],
  r_req uuid[], r_step smallint[], r_att smallint[], r_tenant bigint[], r_team bigint[], r_key bigint[],
  r_price bigint[], r_route text[], r_amount bigint[], r_tokens bigint[], r_ceiling bigint[], r_tags text[],
  r_money text[], r_requests text[], r_token text[], r_parallel text[],
  d_id bigint[], d_x bigint[], e_o int[], e_i int[], e_x bigint[], e_money boolean[],
  out s_verdict smallint[], out r_verdict smallint[], out r_period bigint[], out r_used bigint[],
  out d_lim bigint[], out d_settled bigint[], out d_held bigint[])
language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan set jit = off as $$
declare
  ns int := coalesce(cardinality(s_req), 0);  nr int := coalesce(cardinality(r_req), 0);
  v_at timestamptz := coalesce(p_now, now());  v_exact boolean := p_exact;
  plan record;  tried record;  x bigint[] := d_x;  hits bigint[];  over boolean;  fit boolean;  found_r int;
  alerts bigint[];  room bigint[];  want bigint[];  e int := 1;  first int;  worst int;  is_money boolean;
begin
  r_verdict := array_fill(0::smallint, array[nr]);
  if nr > 0 then
    -- fenced: the gateway is not registered, or was taken for dead. stale: the clock has left the plans' span, or
    -- prices have changed. changed: tenants whose plans are out of date. In one statement: most of the time of a lone
    -- reservation is spent on starting statements.
    select not exists (select from gateways g
        where g.incarnation = p_gateway and g.stopped_at is null and g.recovered_at is null) as fenced,
      v_at < p_from or v_at >= p_until or (select v.prices from catalog_version v) <> p_prices as stale,
      (select array_agg(u.i) from unnest(p_tenants, p_versions) u(i, v)
        where not exists (select from tenants t where t.id = u.i and t.version = u.v)) as changed
      into plan;
    if plan.fenced or plan.stale then
      r_verdict := array_fill(case when plan.fenced then 5 else 3 end::smallint, array[nr]);
      v_exact := true;
    elsif plan.changed is not null then
      select array_agg(case when t = any (plan.changed) then 3 else 0 end::smallint order by o) into r_verdict
        from unnest(r_tenant) with ordinality u(t, o);
      v_exact := true;
    end if;
  end if;
  if v_exact and nr > 0 then
    select * into r_verdict, r_period, r_used from gboost_batch_known(r_verdict, p_gateway, r_req, r_step, r_att,
      r_tenant, r_key, r_price, r_amount, r_ceiling);
    if exists (select from unnest(d_id) k where not exists (select from budget_periods p where p.id = k)) then
      select array_agg(case when v = 0 and exists (select from unnest(e_o, e_i) u(q, i) where u.q = o
               and not exists (select from budget_periods p where p.id = d_id[u.i])) then 3 else v end order by o)
        into r_verdict from unnest(r_verdict) with ordinality u(v, o);
    end if;
    if ns = 0 and 0 = any (r_verdict) then       -- what cannot fit as things stand needs no lock
      for tried in select distinct on (u.o) u.o, d_id[u.i] as id from unnest(e_o, e_i, e_x, e_money) u(o, i, x, m)
                 join budget_periods p on p.id = d_id[u.i]
                 where r_verdict[u.o] = 0 and p.lim - p.settled - p.held < u.x
                 order by u.o, not u.m, p.lim - p.settled - p.held, p.id loop
        r_verdict[tried.o] := 2;  r_period[tried.o] := tried.id;
      end loop;
    end if;
    if ns = 0 and 0 <> all (r_verdict) then      -- nothing to write: no transaction id, no flush
      select array_agg(p.lim order by k.o), array_agg(p.settled order by k.o), array_agg(p.held order by k.o)
        into d_lim, d_settled, d_held
        from unnest(d_id) with ordinality k(id, o) left join budget_periods p on p.id = k.id;
      return;
    end if;
    x := array_fill(0::bigint, array[cardinality(d_id)]);   -- below only locks; tried one by one after
  end if;

  -- One ordered pass. The planner settings pin the joins to nested loops in key order: that is the lock order.
  if ns = 0 then                                 -- the same without the settlements: less to set up for a lone one
    with d as (select k, w from unnest(d_id, x) u(k, w) order by k),
    upd as (
      update budget_periods p set fits = p.settled + p.held + d.w <= p.lim,
             held = p.held + case when p.settled + p.held + d.w <= p.lim then d.w else 0 end
        from d where p.id = d.k returning p.id, p.lim, p.settled, p.held, p.fits)
    select bool_and(fits), count(*), array_agg(lim order by id), array_agg(settled order by id),
        array_agg(held order by id)
      into fit, found_r, d_lim, d_settled, d_held from upd;
  else
    with s as materialized (
      select * from unnest(s_req, s_step, s_att, s_outcome, s_amount, s_tokens, s_record) with ordinality
        s(q, st, a, oc, amt, tok, rec, o) order by q, st, a),
    done as (
      update holds h set state = 's', settled_at = now(),
             actual = case s.oc when 'c' then s.amt when 'e' then h.amount else 0 end
        from s where h.request_id = s.q and h.step = s.st and h.attempt = s.a and h.state = 'd'
      returning h.request_id, h.step, h.attempt, h.tenant_id, h.team_id, h.key_id, h.price_id, h.route, h.amount,
        h.actual, h.periods, h.taken_at, h.tags, h.tokens, h.request_limits, h.token_limits, h.parallel_limits,
        s.oc, s.rec, s.o, case s.oc when 'c' then coalesce(s.tok, h.tokens) when 'e' then h.tokens else 0 end as used),
    d as (
      select k, sum(rel)::bigint rel, sum(act)::bigint act, sum(w)::bigint w, bool_or(r) r from (
        select unnest(periods) k, amount rel, actual act, 0::bigint w, false r from done
        union all select unnest(request_limits), 1, 1, 0, false from done where request_limits is not null
        union all select unnest(token_limits), tokens, used, 0, false from done where token_limits is not null
        union all select unnest(parallel_limits), 1, 0, 0, false from done where parallel_limits is not null
        union all select unnest(d_id), 0, 0, unnest(x), true) u
       group by k order by k),
    upd as (
      update budget_periods p set settled = p.settled + d.act,
         lim = greatest(p.target, p.settled + p.held + d.act - d.rel),
         fits = p.settled + p.held + d.act - d.rel + d.w <= greatest(p.target, p.settled + p.held + d.act - d.rel),
         held = p.held - d.rel + case when p.settled + p.held + d.act - d.rel + d.w
                  <= greatest(p.target, p.settled + p.held + d.act - d.rel) then d.w else 0 end
        from d where p.id = d.k
      returning p.id, p.lim, p.settled, p.held, p.fits, d.r, p.settled >= p.alert_at as due),
    n as materialized (
      select done.*, nextval('ledger_entries_id_seq') as entry,
        dense_rank() over (order by tenant_id) as rank,
        row_number() over (partition by tenant_id order by o) - count(*) over (partition by tenant_id) as back
      from done),
    counted as (
      insert into escalation_counters as c (tenant_id, seq)
        select tenant_id, count(*) from done where (select count(*) from upd) is not null group by 1 order by 1
        on conflict (tenant_id) do update set seq = c.seq + excluded.seq
        returning c.tenant_id, c.seq),
    seqs as materialized (select array_agg(seq order by tenant_id) a from counted),
    entries as (
      insert into ledger_entries (id, taken_at, tenant_id, team_id, key_id, route, request_id, step, attempt, kind,
        outcome, held, amount, price_id, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
        cache_write_5m_tokens, cache_write_1h_tokens, images, is_batch, provider_request_id, usage, tags, periods)
      overriding system value
      select entry, taken_at, tenant_id, team_id, key_id, route, request_id, step, attempt,
        case oc when 'c' then 'charge' when 'e' then 'estimate' else 'release' end,
        case oc when 'c' then 'completed' when 'e' then 'estimated' else 'failed' end,
        amount, actual, price_id, (rec->>'in')::bigint, (rec->>'cached')::bigint, (rec->>'out')::bigint,
        (rec->>'reasoning')::bigint, (rec->>'write5m')::bigint, (rec->>'write1h')::bigint, (rec->>'images')::bigint,
        (rec->>'batch')::boolean, rec->>'provider', rec->'usage', tags, periods
      from n),
    records as (
      insert into escalations (tenant_id, seq, entry_id, entry_kind, request_id, step, attempt, team_id, key_id, route,
        price_id, held, amount, outcome, kind, reward_raw, reward_calibrated, shadow_price, actions, reason,
        slm_sha256, prm_sha256, prompt_hash, answer_hash, gateway)
      select tenant_id, (select a from seqs)[n.rank] + n.back, entry,
        case oc when 'c' then 'charge' when 'e' then 'estimate' else 'release' end, request_id, step, attempt, team_id,
        key_id, route, price_id, amount, actual,
        case oc when 'c' then 'completed' when 'e' then 'estimated' else 'failed' end, rec->>'kind',
        (rec->>'rewardRaw')::float8, (rec->>'rewardCalibrated')::float8, (rec->>'shadowPrice')::float8,
        coalesce(rec->'actions', '[]'), rec->>'reason', rec->>'slmSHA256', rec->>'prmSHA256', rec->>'promptHash',
        rec->>'answerHash', p_gateway
      from n),
    told as (
      insert into outbox (tenant_id, kind, payload)
      select tenant_id, case oc when 'c' then 'charge' when 'e' then 'estimate' else 'release' end,
        jsonb_build_object('entry', entry, 'seq', (select a from seqs)[n.rank] + n.back, 'request', request_id,
          'step', step, 'attempt', attempt, 'amount', actual, 'held', amount)
      from n)
    select bool_and(fits) filter (where r), count(*) filter (where r), array_agg(lim order by id) filter (where r),
        array_agg(settled order by id) filter (where r), array_agg(held order by id) filter (where r),
        array_agg(id order by id) filter (where due),
        (select array_agg(o) from done), (select bool_or(actual > amount) from done)
      into fit, found_r, d_lim, d_settled, d_held, alerts, hits, over from upd;
  end if;
  if nr > 0 and found_r < cardinality(d_id) and not v_exact then
    raise sqlstate 'GB002' using message = 'a period row is missing';
  end if;
  if alerts is not null then perform gboost_alert(k) from unnest(alerts) k; end if;

  if ns > 0 then
    if coalesce(cardinality(hits), 0) = ns and over is not true then s_verdict := array_fill(0::smallint, array[ns]);
    else
      select array_agg(case when s.o <> all (coalesce(hits, '{}')) then 2 when h.actual > h.amount then 1 else 0
               end::smallint order by s.o) into s_verdict
        from unnest(s_req, s_step, s_att) with ordinality s(q, st, a, o)
        left join holds h on h.request_id = q and h.step = st and h.attempt = a;
    end if;
  end if;
  if nr = 0 then return; end if;

  if v_exact or not fit then                     -- the rows are locked now: try the calls one by one
    if not v_exact then                          -- take back what the pass above put on the rows where the sum did fit
      update budget_periods p set held = p.held - u.w from unnest(d_id, d_x) u(k, w) where p.id = u.k and p.fits;
      select * into r_verdict, r_period, r_used from gboost_batch_known(r_verdict, p_gateway, r_req, r_step, r_att,
        r_tenant, r_key, r_price, r_amount, r_ceiling);
    end if;
    select array_agg(p.lim - p.settled - p.held order by k.o), array_agg(0::bigint) into room, want
      from unnest(d_id) with ordinality k(id, o) left join budget_periods p on p.id = k.id;
    for i in 1 .. nr loop
      first := e;  worst := null;
      while e_o[e] = i loop e := e + 1; end loop;
      continue when r_verdict[i] <> 0;
      for q in first .. e - 1 loop
        if room[e_i[q]] < e_x[q] and (worst is null or e_money[q] and (not is_money or room[e_i[q]] < room[worst]))
        then worst := e_i[q];  is_money := e_money[q]; end if;
      end loop;
      if worst is not null then r_verdict[i] := 2;  r_period[i] := d_id[worst];  continue; end if;
      for q in first .. e - 1 loop
        room[e_i[q]] := room[e_i[q]] - e_x[q];  want[e_i[q]] := want[e_i[q]] + e_x[q];
      end loop;
    end loop;
    update budget_periods p set held = p.held + u.w from unnest(d_id, want) u(k, w) where p.id = u.k and u.w > 0;
    select array_agg(p.lim order by k.o), array_agg(p.settled order by k.o), array_agg(p.held order by k.o)
      into d_lim, d_settled, d_held
      from unnest(d_id) with ordinality k(id, o) left join budget_periods p on p.id = k.id;
  end if;
  insert into holds (request_id, step, attempt, state, tenant_id, team_id, key_id, price_id, route, amount, tokens,
      periods, request_limits, token_limits, parallel_limits, tags, gateway, taken_at)
    select q, s, a, 'd', t, m, k, p, ro, am, tk, mo::bigint[], rl::bigint[], tl::bigint[], pl::bigint[], tg::text[],
        p_gateway, v_at
      from unnest(r_req, r_step, r_att, r_tenant, r_team, r_key, r_price, r_route, r_amount, r_tokens, r_money,
        r_requests, r_token, r_parallel, r_tags, r_verdict)
        u(q, s, a, t, m, k, p, ro, am, tk, mo, rl, tl, pl, tg, v)
     where v = 0;
end $$;

-- A lone reservation whose plan is in force and that fits: the usual case on a quiet gateway, in statements that start
-- quickly. Anything else is error GB002 or 23505, and nothing is done: ask gboost_batch, with p_exact. d_id ascending.
create function gboost_reserve_one(
  p_now timestamptz, p_gateway uuid, p_from timestamptz, p_until timestamptz, p_prices bigint, p_version bigint,
  r_req uuid, r_step smallint, r_att smallint, r_tenant bigint, r_team bigint, r_key bigint, r_price bigint,
  r_route text, r_amount bigint, r_tokens bigint, r_tags text, r_money text, r_requests text, r_token text,
  r_parallel text, d_id bigint[], d_x bigint[],
  out s_verdict smallint[], out r_verdict smallint[], out r_period bigint[], out r_used bigint[],
  out d_lim bigint[], out d_settled bigint[], out d_held bigint[])
language plpgsql as $$
declare
  v_at timestamptz := coalesce(p_now, now());  v_lim bigint;  v_settled bigint;  v_held bigint;
begin
  perform 1 from gateways g, catalog_version v, tenants t
    where g.incarnation = p_gateway and g.stopped_at is null and g.recovered_at is null
      and v.prices = p_prices and t.id = r_tenant and t.version = p_version;
  if not found or v_at < p_from or v_at >= p_until then raise sqlstate 'GB002' using message = 'not the usual case'; end if;
  for i in 1 .. cardinality(d_id) loop
    update budget_periods p set held = p.held + d_x[i]
     where p.id = d_id[i] and p.settled + p.held + d_x[i] <= p.lim
    returning p.lim, p.settled, p.held into v_lim, v_settled, v_held;
    if not found then raise sqlstate 'GB002' using message = 'not the usual case'; end if;
    d_lim[i] := v_lim;  d_settled[i] := v_settled;  d_held[i] := v_held;
  end loop;
  insert into holds (request_id, step, attempt, state, tenant_id, team_id, key_id, price_id, route, amount, tokens,
      periods, request_limits, token_limits, parallel_limits, tags, gateway, taken_at)
    values (r_req, r_step, r_att, 'd', r_tenant, r_team, r_key, r_price, r_route, r_amount, r_tokens, r_money::bigint[],
      r_requests::bigint[], r_token::bigint[], r_parallel::bigint[], r_tags::text[], p_gateway, v_at);
  r_verdict := '{0}';
end $$;

-- What is known of reservations before anything is tried: ids used before, requests above their ceiling.
create function gboost_batch_known(
  p_verdict smallint[], p_gateway uuid, r_req uuid[], r_step smallint[], r_att smallint[], r_tenant bigint[],
  r_key bigint[], r_price bigint[], r_amount bigint[], r_ceiling bigint[],
  out verdict smallint[], out period bigint[], out used bigint[])
language plpgsql stable
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off
set jit = off as $$
declare
  rec record;
begin
  verdict := p_verdict;
  period := array_fill(null::bigint, array[cardinality(r_req)]);  used := period;
  -- An id that is known already, also to a stale plan: the first answer may only have been lost.
  for rec in
    select r.o, n = 1 and h.state = 'd' and h.tenant_id = r.t and h.key_id = r.k and h.price_id = r.p
        and h.amount = r.x and h.gateway = p_gateway as same
      from (select *, row_number() over (partition by q, s, a order by o) n
              from unnest(r_req, r_step, r_att, r_tenant, r_key, r_price, r_amount) with ordinality
                r(q, s, a, t, k, p, x, o)) r
      left join holds h on h.request_id = r.q and h.step = r.s and h.attempt = r.a
     where h.request_id is not null or n > 1 loop
    verdict[rec.o] := case when verdict[rec.o] = 5 then 5 when rec.same then 1 else 4 end;
  end loop;
  for rec in
    select r.o, coalesce(sum(coalesce(h.actual, h.amount)), 0)::bigint as spent, r.c, r.x
      from unnest(r_req, r_amount, r_ceiling) with ordinality r(q, x, c, o)
      left join holds h on h.request_id = r.q and h.state in ('r', 'd', 's')
     where r.c is not null group by r.o, r.c, r.x loop
    used[rec.o] := rec.spent;
    if verdict[rec.o] = 0 and rec.spent + rec.x > rec.c then verdict[rec.o] := 6; end if;
  end loop;
end $$;
