-- Taking a hold: every decision about money is made here, in one round trip.

-- The budgets that apply to a call, with the period that p_at falls into.
create function gboost_applying(p_tenant bigint, p_team bigint, p_key bigint, p_at timestamptz)
returns table (budget_id bigint, period_id bigint, scope text, period text, resets_at timestamptz, limit_n bigint,
               is_tenant boolean)
language sql stable as $$
  select b.id,
    b.id * 100000000 + to_char(l.first, case b.cycle when 'month' then 'YYYYMM00' else 'YYYYMMDD' end)::bigint,
    case when b.key_id is not null then 'key:' || b.key_id
         when b.team_id is not null then 'team:' || (select m.name from teams m where m.id = b.team_id)
         else 'tenant:' || t.name end,
    b.cycle || ':' || to_char(l.first,
      case b.cycle when 'month' then 'YYYY-MM' when 'week' then 'IYYY-"W"IW' else 'YYYY-MM-DD' end),
    (l.first + ('1 ' || b.cycle)::interval) at time zone coalesce(b.time_zone, t.time_zone),
    b.limit_n,
    b.team_id is null and b.key_id is null
  from budgets b join tenants t on t.id = b.tenant_id
  cross join lateral (select date_trunc(b.cycle, p_at at time zone coalesce(b.time_zone, t.time_zone)) as first) l
  where b.tenant_id = p_tenant
    and (b.team_id is null and b.key_id is null or b.team_id = p_team or b.key_id = p_key)
$$;

-- Opens period rows on first use. FOR SHARE makes the copied limit agree with a concurrent change of the limit.
create function gboost_open_periods(p_ids bigint[]) returns void language sql as $$
  insert into budget_periods (id, target, lim)
  select k, limit_n, limit_n from (
    select k, b.limit_n from unnest(p_ids) k join budgets b on b.id = k / 100000000 order by k for share of b) t
  order by k
  on conflict do nothing
$$;

-- The state of every applying budget, unlocked: for reports and the router.
create function gboost_budget_states(p_tenant bigint, p_team bigint, p_key bigint, p_now timestamptz default null)
returns table (budget_id bigint, scope text, period text, lim bigint, settled bigint, held bigint,
               resets_at timestamptz, is_tenant boolean)
language sql stable as $$
  select a.budget_id, a.scope, a.period, coalesce(p.lim, a.limit_n), coalesce(p.settled, 0), coalesce(p.held, 0),
    a.resets_at, a.is_tenant
  from gboost_applying(p_tenant, p_team, p_key, coalesce(p_now, now())) a
  left join budget_periods p on p.id = a.period_id
  order by coalesce(p.lim - p.settled - p.held, a.limit_n), a.period_id
$$;

-- Commits a hold in state dispatched, or says why not.
-- verdict: granted · refused (with the budget that has least left) · no_budget · caller_rejected · price_unknown
--          · conflict (this hold id is finished, or was used for another call: nothing may be sent)
--          · fenced (the gateway is not registered, or was taken for dead: it must send a heartbeat first)
-- The same call again while its hold is open is granted again. p_now is for tests.
create function gboost_reserve(
  p_request uuid, p_step smallint, p_attempt smallint, p_tenant bigint, p_key bigint, p_route text,
  p_provider text, p_model text, p_price bigint, p_amount bigint, p_gateway uuid, p_now timestamptz default null,
  out verdict text, out scope text, out period text, out lim bigint, out settled bigint, out held bigint,
  out resets_at timestamptz)
language plpgsql as $$
declare
  v_at timestamptz := coalesce(p_now, now());
  team bigint;  old holds;  tightest record;
  ids bigint[];  scopes text[];  labels text[];  resets timestamptz[];  capped boolean;
begin
  if p_amount is null or p_amount < 0 then
    raise exception 'amount of hold %/%/% is negative', p_request, p_step, p_attempt using errcode = '22023';
  end if;
  select k.team_id into team from api_keys k join tenants t on t.id = k.tenant_id
   where k.id = p_key and k.tenant_id = p_tenant and k.revoked_at is null
     and (k.expires_at is null or k.expires_at > v_at) and t.suspended_at is null and t.deleted_at is null;
  if not found then verdict := 'caller_rejected'; return; end if;

  if not exists (select from gateways g
                  where g.incarnation = p_gateway and g.stopped_at is null and g.recovered_at is null)
  then verdict := 'fenced'; return; end if;

  select * into old from holds h
   where h.request_id = p_request and h.step = p_step and h.attempt = p_attempt;
  if found then
    verdict := gboost_replay_verdict(old, p_tenant, p_key, p_price, p_amount, p_gateway);
    select s.scope, s.period, s.lim, s.settled, s.held, s.resets_at
      into scope, period, lim, settled, held, resets_at
      from gboost_budget_states(p_tenant, team, p_key, v_at) s limit 1;
    return;
  end if;

  -- In force, or replaced so lately that a gateway's snapshot may not have followed.
  if not exists (
    select from prices p where p.id = p_price and p.provider = p_provider and p.model = p_model
      and p.effective_at <= v_at and not exists (
        select from prices q where q.provider = p.provider and q.model = p.model
          and q.effective_at > p.effective_at and q.effective_at <= v_at - interval '10 seconds'))
  then verdict := 'price_unknown'; return; end if;

  select array_agg(a.period_id order by a.period_id), array_agg(a.scope order by a.period_id),
         array_agg(a.period order by a.period_id), array_agg(a.resets_at order by a.period_id), bool_or(a.is_tenant)
    into ids, scopes, labels, resets, capped from gboost_applying(p_tenant, team, p_key, v_at) a;
  if capped is not true then verdict := 'no_budget'; return; end if;

  if (select count(*) from budget_periods p where p.id = any (ids)) < cardinality(ids) then
    perform gboost_open_periods(ids);
  end if;
  perform 1 from budget_periods p where p.id = any (ids) order by p.id for no key update;
  select u.s, u.l, u.r, p.lim, p.settled, p.held, p.lim - p.settled - p.held - p_amount as room into tightest
    from unnest(ids, scopes, labels, resets) u(id, s, l, r) join budget_periods p on p.id = u.id
   order by p.lim - p.settled - p.held, u.id limit 1;
  scope := tightest.s;  period := tightest.l;  resets_at := tightest.r;
  lim := tightest.lim;  settled := tightest.settled;  held := tightest.held;
  if tightest.room < 0 then verdict := 'refused'; return; end if;

  insert into holds (request_id, step, attempt, state, tenant_id, team_id, key_id, price_id, route, amount, periods,
                     gateway, taken_at)
  values (p_request, p_step, p_attempt, 'd', p_tenant, team, p_key, p_price, p_route, p_amount, ids, p_gateway, v_at)
  on conflict do nothing;
  if not found then                               -- the same call, twice at once: the other one took the hold
    select * into strict old from holds h
     where h.request_id = p_request and h.step = p_step and h.attempt = p_attempt;
    verdict := gboost_replay_verdict(old, p_tenant, p_key, p_price, p_amount, p_gateway);
    return;
  end if;
  update budget_periods p set held = p.held + p_amount where p.id = any (ids);
  held := held + p_amount;
  verdict := 'granted';
end $$;

-- A hold id that is known already.
create function gboost_replay_verdict(p_old holds, p_tenant bigint, p_key bigint, p_price bigint, p_amount bigint,
  p_gateway uuid) returns text language sql immutable as $$
  select case when p_old.state = 'd' and p_old.tenant_id = p_tenant and p_old.key_id = p_key
    and p_old.price_id = p_price and p_old.amount = p_amount and p_old.gateway = p_gateway
    then 'granted' else 'conflict' end
$$;

-- Changes a limit: at once for the open period and those to come, never below what is settled and held, never for
-- periods that are over. The caller writes the event.
create function gboost_set_limit(p_budget bigint, p_limit bigint, p_now timestamptz default null) returns void
language plpgsql as $$
declare
  v_period bigint;
begin
  update budgets b set limit_n = p_limit where b.id = p_budget;
  if not found then raise exception 'no budget %', p_budget using errcode = '22023'; end if;
  select a.period_id into strict v_period from budgets b
    cross join lateral gboost_applying(b.tenant_id, b.team_id, b.key_id, coalesce(p_now, now())) a
   where b.id = p_budget and a.budget_id = p_budget;
  perform 1 from budget_periods p where p.id >= v_period and p.id < (p_budget + 1) * 100000000
   order by p.id for no key update;
  update budget_periods p
     set target = p_limit + p.topup, lim = greatest(p_limit + p.topup, p.settled + p.held)
   where p.id >= v_period and p.id < (p_budget + 1) * 100000000;
end $$;

-- Adds to the limit of the current period only.
create function gboost_top_up(p_budget bigint, p_amount bigint, p_now timestamptz default null) returns void
language plpgsql as $$
declare
  v_period bigint;
begin
  if p_amount <= 0 then raise exception 'a top-up must be positive' using errcode = '22023'; end if;
  select a.period_id into v_period from budgets b
    cross join lateral gboost_applying(b.tenant_id, b.team_id, b.key_id, coalesce(p_now, now())) a
   where b.id = p_budget and a.budget_id = p_budget;
  if not found then raise exception 'no budget %', p_budget using errcode = '22023'; end if;
  perform gboost_open_periods(array[v_period]);
  update budget_periods p set topup = p.topup + p_amount, target = p.target + p_amount,
         lim = greatest(p.target + p_amount, p.settled + p.held)
   where p.id = v_period;
end $$;
