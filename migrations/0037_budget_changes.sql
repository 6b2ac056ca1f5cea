-- Many budgets are changed by one statement: by one each, those of a large organization took more than a minute, in
-- which their rows were locked and no call that needed them went through.

-- A tenant's version rises once for each statement that changes something of it, and no longer once for each row: a row
-- that is updated thousands of times in one transaction takes longer each time.
create function gboost_bump_tenants() returns trigger language plpgsql as $$
declare
  ids bigint[];
begin
  case tg_op
  when 'INSERT' then select array_agg(distinct n.tenant_id) into ids from new_rows n;
  when 'DELETE' then select array_agg(distinct o.tenant_id) into ids from old_rows o;
  else
    select array_agg(distinct r.tenant_id) into ids
      from (select n.tenant_id from new_rows n union all select o.tenant_id from old_rows o) r;
  end case;
  if ids is null then return null; end if;
  perform 1 from tenants t where t.id = any (ids) order by t.id for no key update;
  update tenants t set version = t.version where t.id = any (ids);
  return null;
end $$;

do $$
declare
  name text;
begin
  foreach name in array '{teams,api_keys,budgets}'::text[] loop
    execute format('drop trigger bump_tenant on %I', name);
    execute format('create trigger bump_tenant_insert after insert on %I referencing new table as new_rows
      for each statement execute function gboost_bump_tenants()', name);
    execute format('create trigger bump_tenant_delete after delete on %I referencing old table as old_rows
      for each statement execute function gboost_bump_tenants()', name);
    execute format('create trigger bump_tenant_update after update on %I
      referencing new table as new_rows old table as old_rows
      for each statement execute function gboost_bump_tenants()', name);
  end loop;
end $$;
drop function gboost_bump_tenant();

-- Brings the open periods of budgets, and those after them, in line with the budgets after a change. Removed budgets
-- have none. As in 0033, for several budgets at once, whose periods are locked in the order in which calls lock them.
-- The planner settings pin the search for each budget's periods to their index.
create function gboost_refresh_periods(p_budgets bigint[], p_at timestamptz) returns void language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set enable_bitmapscan = off
set jit = off as $$
declare
  ids bigint[];  froms bigint[];  alerts bigint[];
begin
  -- Reckoned first: it takes longer than all that follows, and nobody waits for it.
  select array_agg(b.id order by b.id), array_agg(b.id * 100000000 + l.suffix order by b.id) into ids, froms
    from unnest(p_budgets) u (id) join budgets b on b.id = u.id and b.removed_at is null
    join tenants t on t.id = b.tenant_id
    cross join lateral gboost_period(b.cycle, b.week_start, coalesce(b.time_zone, t.time_zone), p_at) l;
  perform 1 from unnest(ids, froms) u (budget, first)
    join budget_periods p on p.id >= u.first and p.id < (u.budget + 1) * 100000000
    order by p.id for no key update of p;
  with reckoned as (
    select p.id, p.settled, p.target as before, p.alerted, b.unit, b.thresholds, m.base,
        greatest(0, m.base::numeric + p.topup + p.carried - p.passed_on - p.elsewhere)::bigint as target
      from unnest(ids, froms) u (budget, first) join budgets b on b.id = u.budget
      join budget_periods p on p.id >= u.first and p.id < (u.budget + 1) * 100000000
      cross join lateral (select case
        when b.cycle = 'month' then to_date((p.id / 100 % 1000000)::text, 'YYYYMM')
        when b.cycle in ('day', 'week', 'quarter') then to_date((p.id % 100000000)::text, 'YYYYMMDD') end as first) d
      cross join lateral (select coalesce(
        (select o.limit_n from budget_overrides o
          where o.budget_id = b.id and o.removed_at is null and d.first >= o.from_day and d.first < o.until_day
          order by o.id desc limit 1), b.limit_n) as base) m),
  told as (
    select r.*, least(r.alerted, case when r.target > r.before then (
        select coalesce(max(t), 0) from unnest(r.thresholds) t
         where r.settled >= greatest(1, ceil(t::numeric * r.target / 100))) end)::smallint as told_of
      from reckoned r),
  changed as (
    update budget_periods p
       set base = n.base, target = n.target, lim = greatest(n.target, p.settled + p.held), alerted = n.told_of,
           alert_at = case n.unit when 'usd' then (
             select greatest(1, ceil(min(t)::numeric * n.target / 100))::bigint from unnest(n.thresholds) t
              where t > n.told_of having count(*) > 0) end
      from told n where p.id = n.id
    returning p.id, p.settled >= p.alert_at as is_due)
  select array_agg(c.id order by c.id) filter (where c.is_due) into alerts from changed c;
  perform gboost_alert(k) from unnest(alerts) k;
end $$;

create or replace function gboost_refresh_periods(p_budget bigint, p_at timestamptz) returns void language plpgsql as $$
begin
  perform gboost_refresh_periods(array[p_budget], p_at);
end $$;

-- Changes budgets and limits: at once for their open periods and those to come, never below what is settled and held,
-- never for periods that are over. The caller has locked their tenants, and writes the events.
-- p_changes: an object each, of budget, limit_n, thresholds and rollover_n, no budget twice.
create function gboost_change_budgets(p_changes jsonb, p_now timestamptz default null) returns void
language plpgsql set jit = off as $$
declare
  v_at timestamptz := coalesce(p_now, now());  ids bigint[];  r record;
begin
  select array_agg(c.budget order by c.budget) into ids from jsonb_to_recordset(p_changes) as c (budget bigint);
  perform 1 from budgets b where b.id = any (ids) order by b.id for no key update;
  -- Periods without a row are priced when the next one opens: where anything is passed on, the running one is opened
  -- by the budget from before, as those that are over must not pass on what they never had.
  for r in
    select b.id, b.tenant_id
      from jsonb_to_recordset(p_changes) as c (budget bigint, rollover_n bigint) join budgets b on b.id = c.budget
      join tenants t on t.id = b.tenant_id
      cross join lateral gboost_period(b.cycle, b.week_start, coalesce(b.time_zone, t.time_zone), v_at) l
     where coalesce(b.rollover_n, c.rollover_n) is not null and b.removed_at is null
       and not exists (select from budget_periods p where p.id = b.id * 100000000 + l.suffix)
     order by b.id loop
    perform gboost_open_periods(r.tenant_id, v_at, p_budget => r.id);
  end loop;
  update budgets b set limit_n = c.limit_n, thresholds = c.thresholds, rollover_n = c.rollover_n
    from jsonb_to_recordset(p_changes) as c (budget bigint, limit_n bigint, thresholds smallint[], rollover_n bigint)
   where b.id = c.budget;
  perform gboost_refresh_periods(ids, v_at);
end $$;
