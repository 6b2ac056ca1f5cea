-- Budgets by model, tag and every calendar window; rate limits; overrides; what rolls over; alerts.
--
-- A rate limit is a budget in another unit: requests or tokens in a minute, calls in parallel. It has period rows like
-- money, is held and settled with it in the same commit, and is as exact across gateways.

alter table budgets drop constraint budgets_cycle_check;
drop index budgets_scope;
alter table budgets
  add column unit          text not null default 'usd' check (unit in ('usd', 'requests', 'tokens', 'parallel')),
  add column model_pattern text check (model_pattern ~ '^[A-Za-z0-9*][A-Za-z0-9*._:/@-]{0,254}$'),
  add column tag           text check (tag ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$'),
  add column week_start    smallint not null default 1 check (week_start between 1 and 7),   -- 1 is Monday
  add column rollover_n    bigint check (rollover_n >= 0),   -- the most that a period passes on; null: nothing
  add column removed_at    timestamptz,                      -- history stays
  add constraint budgets_window check (case unit
    when 'usd' then cycle in ('day', 'week', 'month', 'quarter', 'total', 'request')
    when 'parallel' then cycle = 'total' else cycle = 'minute' end),
  add constraint budgets_rollover check (rollover_n is null or cycle in ('day', 'week', 'month', 'quarter')),
  add constraint budgets_thresholds check (cardinality(thresholds) <= 20 and 0 < all (thresholds));
create unique index budgets_scope on budgets (tenant_id, coalesce(team_id, 0), coalesce(key_id, 0),
  coalesce(model_pattern, ''), coalesce(tag, ''), unit, cycle) where removed_at is null;

-- A limit for the periods that begin in [from_day, until_day). The newest one that covers a day counts.
create table budget_overrides (
  id         bigint generated always as identity primary key,
  budget_id  bigint not null references budgets,
  from_day   date not null,
  until_day  date not null check (until_day > from_day),
  limit_n    bigint not null check (limit_n >= 0),
  created_at timestamptz not null default now(),
  removed_at timestamptz
);
create index budget_overrides_budget on budget_overrides (budget_id);

alter table teams add column suspended_at timestamptz;
alter table api_keys add column suspended_at timestamptz;

-- Gateways plan with a tenant's budgets and send the version that they planned with; a reservation with another one
-- is planned anew.
alter table tenants add column version bigint not null default 1;
create function gboost_bump_own_version() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  return new;
end $$;
create trigger bump_version before update on tenants for each row execute function gboost_bump_own_version();
create function gboost_bump_tenant() returns trigger language plpgsql as $$
begin
  update tenants set version = version where id = coalesce(new.tenant_id, old.tenant_id);
  return null;
end $$;
create trigger bump_tenant after insert or update or delete on teams for each row execute function gboost_bump_tenant();
create trigger bump_tenant after insert or update or delete on api_keys
  for each row execute function gboost_bump_tenant();
create trigger bump_tenant after insert or update or delete on budgets
  for each row execute function gboost_bump_tenant();
create trigger bump_catalog after insert or update or delete on budgets
  for each statement execute function gboost_bump_catalog();

alter table catalog_version add column prices bigint not null default 1;
create function gboost_bump_prices() returns trigger language plpgsql as $$
begin
  update catalog_version set prices = prices + 1;
  return null;
end $$;
create trigger bump_prices after insert on prices for each statement execute function gboost_bump_prices();

-- target = greatest(0, base + topup + carried - passed_on - elsewhere)
alter table budget_periods
  add column base      bigint,                      -- the budget's limit, or its override's
  add column carried   bigint not null default 0,   -- from the period before
  add column passed_on bigint not null default 0,   -- to the period after
  add column elsewhere bigint not null default 0,   -- used in its time, but on periods that were cut otherwise
  add column alerted   smallint not null default 0, -- the highest percentage that has been told
  add column alert_at  bigint,                      -- settled amount at which the next one is due
  add column fits      boolean not null default true;  -- whether the last batch's sum did: read back by its statement
update budget_periods set base = target - topup;
alter table budget_periods alter column base set not null,
  drop constraint budget_periods_target_check, drop constraint budget_periods_topup_check,
  drop constraint budget_periods_settled_check, drop constraint budget_periods_held_check,
  add constraint budget_periods_sane check (least(target, topup, settled, held) >= 0);

-- The first moment at which clocks in p_zone show p_local or later, however they are set forward or back.
create function gboost_instant(p_local timestamp, p_zone text) returns timestamptz language sql stable as $$
  select min(t) from (
    select (p_local at time zone p_zone) - d as t from unnest('{0 min,30 min,60 min,120 min}'::interval[]) d) c
  where t at time zone p_zone >= p_local
$$;

-- The period of a cycle that p_at falls into. suffix: what its row's id ends in.
create function gboost_period(p_cycle text, p_week_start smallint, p_zone text, p_at timestamptz,
  out first_day date, out suffix bigint, out label text, out first_at timestamptz, out resets_at timestamptz)
language plpgsql stable as $$
declare
  here timestamp := p_at at time zone p_zone;  first timestamp;  shift interval := make_interval(days => p_week_start - 1);
begin
  case p_cycle
  when 'minute' then
    suffix := floor(extract(epoch from p_at) / 60)::bigint % 100000000;
    first_at := to_timestamp(floor(extract(epoch from p_at) / 60) * 60);
    resets_at := first_at + interval '1 minute';
    label := 'minute:' || to_char(first_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"');
    return;
  when 'total', 'request' then
    suffix := 0;  first_at := '-infinity';  resets_at := 'infinity';  label := p_cycle;
    return;
  when 'week' then first := date_trunc('week', here - shift) + shift;
  else first := date_trunc(p_cycle, here);
  end case;
  first_day := first::date;
  suffix := to_char(first, case p_cycle when 'month' then 'YYYYMM00' else 'YYYYMMDD' end)::bigint;
  first_at := gboost_instant(first, p_zone);
  resets_at := gboost_instant(first + case p_cycle when 'quarter' then interval '3 months'
    else ('1 ' || p_cycle)::interval end, p_zone);
  label := p_cycle || ':' || case p_cycle
    when 'month' then to_char(first, 'YYYY-MM')
    when 'quarter' then to_char(first, 'YYYY-"Q"Q')
    when 'week' then case p_week_start when 1 then to_char(first, 'IYYY-"W"IW') else to_char(first, 'YYYY-MM-DD') end
    else to_char(first, 'YYYY-MM-DD') end;
end $$;

-- A tenant's budgets, each with the period that p_at falls into. limit_n is the limit of that period before top-ups.
drop function gboost_budget_states(bigint, bigint, bigint, timestamptz);
create function gboost_budgets_at(p_tenant bigint, p_at timestamptz)
returns table (budget_id bigint, team_id bigint, key_id bigint, model_pattern text, tag text, unit text, cycle text,
  limit_n bigint, period_id bigint, scope text, period text, first_day date, first_at timestamptz,
  resets_at timestamptz)
language sql stable as $$
  select b.id, b.team_id, b.key_id, b.model_pattern, b.tag, b.unit, b.cycle,
    coalesce((select o.limit_n from budget_overrides o
               where o.budget_id = b.id and o.removed_at is null and l.first_day >= o.from_day
                 and l.first_day < o.until_day
               order by o.id desc limit 1), b.limit_n),
    b.id * 100000000 + l.suffix,
    case when b.key_id is not null then 'key:' || b.key_id
         when b.team_id is not null then 'team:' || (select m.name from teams m where m.id = b.team_id)
         else 'tenant:' || t.name end
      || coalesce(' model:' || b.model_pattern, '') || coalesce(' tag:' || b.tag, ''),
    case b.unit when 'usd' then l.label when 'parallel' then 'parallel' else b.unit || '/' || l.label end,
    l.first_day, l.first_at, l.resets_at
  from budgets b join tenants t on t.id = b.tenant_id
  cross join lateral gboost_period(b.cycle, b.week_start, coalesce(b.time_zone, t.time_zone), p_at) l
  where b.tenant_id = p_tenant and b.removed_at is null
$$;

-- Whether a week's period begins on that day of the week.
create function gboost_begins_on(p_period bigint, p_week_start smallint) returns boolean language sql immutable as $$
  select extract(isodow from to_date((p_period % 100000000)::text, 'YYYYMMDD')) = p_week_start
$$;

-- What the periods before the one that begins on p_first pass on: their targets less what was settled or held in them.
-- It moves: a period that has passed money on cannot grant it any more. A period without traffic has no row and passes
-- on everything, up to the budget's rollover_n.
create function gboost_carry(p_budget budgets, p_first date, p_zone text) returns bigint language plpgsql as $$
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

create function gboost_limit_on(p_budget budgets, p_first date) returns bigint language sql stable as $$
  select coalesce((select o.limit_n from budget_overrides o
    where o.budget_id = p_budget.id and o.removed_at is null and p_first >= o.from_day and p_first < o.until_day
    order by o.id desc limit 1), p_budget.limit_n)
$$;

-- The settled amount at which the next alert is due; null when none is left. Never due with nothing spent.
create function gboost_alert_at(p_thresholds smallint[], p_alerted smallint, p_target bigint) returns bigint
language sql immutable as $$
  select case when count(*) > 0 then greatest(1, ceil(min(t)::numeric * p_target / 100))::bigint end
  from unnest(p_thresholds) t where t > p_alerted
$$;

-- Opens period rows on first use: a tenant's, or only those of one budget, or those that may apply
-- to one of its keys. The lock on the budget
-- makes the copied limit agree with a concurrent change of it, and lets only one carry over.
drop function gboost_open_periods(bigint[]);
create function gboost_open_periods(p_tenant bigint, p_at timestamptz, p_key bigint default null,
  p_budget bigint default null) returns int
language plpgsql as $$
declare
  r record;  opened int := 0;  b budgets;  zone text;  carry bigint;  target bigint;  team bigint;
begin
  select k.team_id into team from api_keys k where k.id = p_key and k.tenant_id = p_tenant;
  for r in select a.* from gboost_budgets_at(p_tenant, p_at) a
            where a.cycle <> 'request' and not exists (select from budget_periods p where p.id = a.period_id)
              and (p_budget is null or a.budget_id = p_budget)
              and (p_key is null or a.team_id is null and a.key_id is null or a.key_id = p_key or a.team_id = team)
            order by a.period_id loop
    select * into b from budgets where id = r.budget_id for no key update;
    continue when b.removed_at is not null or exists (select from budget_periods p where p.id = r.period_id);
    select coalesce(b.time_zone, t.time_zone) into zone from tenants t where t.id = p_tenant;
    r.limit_n := gboost_limit_on(b, r.first_day);
    carry := case when b.rollover_n is null or r.first_day is null then 0
      else gboost_carry(b, r.first_day, zone) end;
    target := r.limit_n + carry;
    insert into budget_periods (id, base, carried, target, lim, alert_at)
    values (r.period_id, r.limit_n, carry, target, target,
      case r.unit when 'usd' then gboost_alert_at(b.thresholds, 0::smallint, target) end)
    on conflict do nothing;
    opened := opened + 1;
  end loop;
  return opened;
end $$;

-- Brings the open period of a budget, and those after it, in line with the budget after a change.
create function gboost_refresh_periods(p_budget bigint, p_at timestamptz) returns void language plpgsql as $$
declare
  b budgets;  v_from bigint;  p budget_periods;  first date;
begin
  select * into strict b from budgets where id = p_budget;
  select a.period_id into v_from from gboost_budgets_at(b.tenant_id, p_at) a where a.budget_id = p_budget;
  for p in select * from budget_periods q
            where q.id >= coalesce(v_from, (p_budget + 1) * 100000000) and q.id < (p_budget + 1) * 100000000
            order by q.id for no key update loop
    first := case b.cycle when 'month' then to_date((p.id / 100 % 1000000)::text, 'YYYYMM')
      when 'minute' then null when 'total' then null else to_date((p.id % 100000000)::text, 'YYYYMMDD') end;
    p.base := gboost_limit_on(b, first);
    p.target := greatest(0, p.base + p.topup + p.carried - p.passed_on - p.elsewhere);
    update budget_periods q
       set base = p.base, target = p.target, lim = greatest(p.target, q.settled + q.held),
           alert_at = case b.unit when 'usd' then gboost_alert_at(b.thresholds, q.alerted, p.target) end
     where q.id = p.id;
    perform gboost_alert(p.id);
  end loop;
end $$;

-- Tells of every threshold that a period has reached and that was not told of yet. The caller has locked the row.
create function gboost_alert(p_period bigint) returns void language plpgsql as $$
declare
  p budget_periods;  b budgets;  percent smallint;
begin
  select * into p from budget_periods where id = p_period;
  if p.alert_at is null or p.settled < p.alert_at then return; end if;
  select * into strict b from budgets where id = p_period / 100000000;
  for percent in select t from unnest(b.thresholds) t
                  where t > p.alerted and p.settled >= greatest(1, ceil(t::numeric * p.target / 100)) order by t loop
    insert into outbox (tenant_id, kind, payload) values (b.tenant_id, 'budget.threshold', jsonb_build_object(
      'budget', b.id, 'period', p.id % 100000000, 'percent', percent, 'limit', p.target, 'settled', p.settled,
      'cycle', b.cycle, 'team_id', b.team_id, 'key_id', b.key_id, 'model', b.model_pattern, 'tag', b.tag));
    p.alerted := percent;
  end loop;
  update budget_periods q set alerted = p.alerted, alert_at = gboost_alert_at(b.thresholds, p.alerted, p.target)
   where q.id = p_period;
end $$;

-- Changes a limit: at once for the open period and those to come, never below what is settled and held, never for
-- periods that are over. The caller writes the event.
create or replace function gboost_set_limit(p_budget bigint, p_limit bigint, p_now timestamptz default null)
returns void language plpgsql as $$
begin
  perform 1 from tenants t join budgets b on b.tenant_id = t.id where b.id = p_budget for no key update of t;
  update budgets b set limit_n = p_limit where b.id = p_budget;
  if not found then raise exception 'no budget %', p_budget using errcode = '22023'; end if;
  perform gboost_refresh_periods(p_budget, coalesce(p_now, now()));
end $$;

-- Adds to the limit of the current period only.
create or replace function gboost_top_up(p_budget bigint, p_amount bigint, p_now timestamptz default null)
returns void language plpgsql as $$
declare
  v_at timestamptz := coalesce(p_now, now());  v_tenant bigint;  v_period bigint;
begin
  if p_amount <= 0 then raise exception 'a top-up must be positive' using errcode = '22023'; end if;
  select b.tenant_id into v_tenant from budgets b where b.id = p_budget and b.removed_at is null;
  if not found then raise exception 'no budget %', p_budget using errcode = '22023'; end if;
  perform 1 from tenants t where t.id = v_tenant for no key update;
  perform gboost_open_periods(v_tenant, v_at);
  select a.period_id into v_period from gboost_budgets_at(v_tenant, v_at) a where a.budget_id = p_budget;
  update budget_periods p set topup = p.topup + p_amount where p.id = v_period;
  if not found then raise exception 'budget % has no periods', p_budget using errcode = '22023'; end if;
  perform gboost_refresh_periods(p_budget, v_at);
end $$;

-- After the periods of a budget are cut anew: the one that is open now counts what was spent or held since its
-- beginning on other periods of the budget, so that no budget begins anew by being cut anew, however often.
create function gboost_count_again(p_budget bigint, p_at timestamptz) returns void language plpgsql as $$
declare
  b budgets;  a record;  used bigint;
begin
  select * into strict b from budgets where id = p_budget;
  select * into a from gboost_budgets_at(b.tenant_id, p_at) x where x.budget_id = p_budget;
  if not found or b.unit <> 'usd' or b.cycle not in ('day', 'week', 'month', 'quarter') then return; end if;
  perform gboost_open_periods(b.tenant_id, p_at, p_budget => p_budget);
  -- Nothing of this budget may move while its use is counted.
  perform 1 from budget_periods p where p.id >= p_budget * 100000000 and p.id < (p_budget + 1) * 100000000
    order by p.id for no key update;
  select coalesce((select sum(e.amount) from ledger_entries e
                    where e.tenant_id = b.tenant_id and e.taken_at >= a.first_at and a.period_id <> all (e.periods)
                      and exists (select from unnest(e.periods) q where q / 100000000 = p_budget)), 0)
       + coalesce((select sum(h.amount) from holds h
                    where h.tenant_id = b.tenant_id and h.taken_at >= a.first_at and h.state in ('r', 'd')
                      and a.period_id <> all (h.periods)
                      and exists (select from unnest(h.periods) q where q / 100000000 = p_budget)), 0)
    into used;
  update budget_periods p set elsewhere = used where p.id = a.period_id;
  perform gboost_refresh_periods(p_budget, p_at);
end $$;

-- Changes a budget's time zone and the first day of its week.
create function gboost_recut(p_budget bigint, p_zone text, p_week_start smallint, p_now timestamptz default null)
returns void language plpgsql as $$
declare
  v_at timestamptz := coalesce(p_now, now());  v_tenant bigint;
begin
  select b.tenant_id into strict v_tenant from budgets b where b.id = p_budget;
  perform 1 from tenants t where t.id = v_tenant for no key update;
  perform gboost_open_periods(v_tenant, v_at);
  update budgets set time_zone = p_zone, week_start = p_week_start where id = p_budget;
  perform gboost_count_again(p_budget, v_at);
end $$;

-- Changes a tenant's time zone, and with it that of its budgets without one of their own.
create function gboost_move_tenant(p_tenant bigint, p_zone text, p_now timestamptz default null)
returns void language plpgsql as $$
declare
  v_at timestamptz := coalesce(p_now, now());  b bigint;
begin
  perform 1 from tenants t where t.id = p_tenant for no key update;
  perform gboost_open_periods(p_tenant, v_at);
  update tenants set time_zone = p_zone where id = p_tenant;
  for b in select x.id from budgets x where x.tenant_id = p_tenant and x.time_zone is null and x.removed_at is null
           order by x.id loop
    perform gboost_count_again(b, v_at);
  end loop;
end $$;

-- What a gateway needs to plan a caller's calls: whether the key may be used, and every budget that may apply, with
-- its open period. Rows without a budget: the caller has none, or is turned away.
create function gboost_caller_plan(p_tenant bigint, p_key bigint, p_now timestamptz default null)
returns table (is_usable boolean, version bigint, team_id bigint, usable_until timestamptz, at timestamptz,
  budget_id bigint, period_id bigint, unit text, cycle text, limit_n bigint, model_pattern text, tag text, scope text,
  period text, first_at timestamptz, resets_at timestamptz, is_tenant boolean)
language plpgsql as $$
declare
  v_at timestamptz := coalesce(p_now, now());
begin
  -- The version before anything else: whatever changes from here on makes it old.
  select t.version into version from tenants t where t.id = p_tenant;
  perform gboost_open_periods(p_tenant, v_at, p_key);
  return query
  select k.id is not null and k.revoked_at is null and k.suspended_at is null
      and (k.expires_at is null or k.expires_at > v_at) and m.suspended_at is null
      and t.suspended_at is null and t.deleted_at is null,
    gboost_caller_plan.version, k.team_id, k.expires_at, v_at, a.budget_id, a.period_id, a.unit, a.cycle, a.limit_n,
    a.model_pattern, a.tag, a.scope, a.period, nullif(a.first_at, '-infinity'), nullif(a.resets_at, 'infinity'),
    a.team_id is null and a.key_id is null
  from tenants t
  left join api_keys k on k.id = p_key and k.tenant_id = t.id
  left join teams m on m.id = k.team_id
  left join lateral (select * from gboost_budgets_at(p_tenant, v_at) x
    where x.team_id is null and x.key_id is null or x.team_id = k.team_id or x.key_id = k.id) a on true
  where t.id = p_tenant
  order by a.period_id;
end $$;

-- When a price is in force, in whole versions: from its own moment to its successor's, and ten seconds on, since a
-- gateway's own view of prices may lag behind by so much.
create function gboost_price_window(p_price bigint, p_now timestamptz default null)
returns table (version bigint, provider text, model text, first_at timestamptz, last_at timestamptz, is_in_force boolean)
language sql stable as $$
  select v.prices, p.provider, p.model, p.effective_at, n.last_at,
    p.effective_at <= coalesce(p_now, now()) and (n.last_at is null or n.last_at > coalesce(p_now, now()))
  from catalog_version v, prices p
  cross join lateral (select min(q.effective_at) + interval '10 seconds' as last_at from prices q
    where q.provider = p.provider and q.model = p.model and q.effective_at > p.effective_at) n
  where p.id = p_price
$$;

-- Limits of what local models answer. The database knows them and counts nothing: gateways test them by themselves,
-- since an SLM must answer while the database is away. So each gateway grants the whole limit.
create table local_limits (
  id         bigint generated always as identity primary key,
  tenant_id  bigint not null references tenants,
  team_id    bigint,                              -- at most one of team and key; neither: the whole tenant
  key_id     bigint references api_keys,
  unit       text not null check (unit in ('requests', 'tokens', 'parallel')),
  limit_n    bigint not null check (limit_n >= 0),
  created_at timestamptz not null default now(),
  removed_at timestamptz,
  foreign key (tenant_id, team_id) references teams (tenant_id, id),
  check (team_id is null or key_id is null)
);
create unique index local_limits_scope on local_limits (tenant_id, coalesce(team_id, 0), coalesce(key_id, 0), unit)
  where removed_at is null;
create trigger bump_catalog after insert or update or delete on local_limits
  for each statement execute function gboost_bump_catalog();
