-- A budget that is raised in mid-period alerts by its new limit: the highest percentage told of in a period was never
-- lowered, so that a budget which had told of 95 % of 100 dollars was silent up to the end of 1000.

-- As in 0021, but each percentage is told of once at a limit, and not once a period: one that is raised and lowered
-- again tells nothing anew.
create or replace function gboost_alert(p_period bigint) returns void language plpgsql as $$
declare
  p budget_periods;  b budgets;  percent smallint;
begin
  select * into p from budget_periods where id = p_period;
  if p.alert_at is null or p.settled < p.alert_at then return; end if;
  select * into strict b from budgets where id = p_period / 100000000;
  for percent in select t from unnest(b.thresholds) t
                  where t > p.alerted and p.settled >= greatest(1, ceil(t::numeric * p.target / 100)) order by t loop
    perform gboost_tell(b.tenant_id, 'budget.threshold', jsonb_build_object(
      'budget', b.id, 'period', p.id % 100000000, 'percent', percent, 'limit', p.target, 'settled', p.settled,
      'cycle', b.cycle, 'team_id', b.team_id, 'key_id', b.key_id, 'model', b.model_pattern, 'tag', b.tag),
      'threshold:' || p.id || ':' || percent || ':' || p.target);
    p.alerted := percent;
  end loop;
  update budget_periods q set alerted = p.alerted, alert_at = gboost_alert_at(b.thresholds, p.alerted, p.target)
   where q.id = p_period;
end $$;

-- As in 0007, but a period whose target rises has told of no more than what it has reached of the new one: what is
-- above that is told of when it is reached. What it has reached already was told of at the lower target, mostly, and is
-- not told of again.
create or replace function gboost_refresh_periods(p_budget bigint, p_at timestamptz) returns void language plpgsql as $$
declare
  b budgets;  v_from bigint;  p budget_periods;  first date;  before bigint;
begin
  select * into strict b from budgets where id = p_budget;
  select a.period_id into v_from from gboost_budgets_at(b.tenant_id, p_at) a where a.budget_id = p_budget;
  for p in select * from budget_periods q
            where q.id >= coalesce(v_from, (p_budget + 1) * 100000000) and q.id < (p_budget + 1) * 100000000
            order by q.id for no key update loop
    first := case b.cycle when 'month' then to_date((p.id / 100 % 1000000)::text, 'YYYYMM')
      when 'minute' then null when 'total' then null else to_date((p.id % 100000000)::text, 'YYYYMMDD') end;
    before := p.target;
    p.base := gboost_limit_on(b, first);
    p.target := greatest(0, p.base + p.topup + p.carried - p.passed_on - p.elsewhere);
    if p.target > before then
      p.alerted := least(p.alerted, (select coalesce(max(t), 0) from unnest(b.thresholds) t
        where p.settled >= greatest(1, ceil(t::numeric * p.target / 100))));
    end if;
    update budget_periods q
       set base = p.base, target = p.target, lim = greatest(p.target, q.settled + q.held), alerted = p.alerted,
           alert_at = case b.unit when 'usd' then gboost_alert_at(b.thresholds, p.alerted, p.target) end
     where q.id = p.id;
    perform gboost_alert(p.id);
  end loop;
end $$;

-- What is open now was told of by the old rule. Where it was raised since, so that more was told of than is reached of
-- its limit, it goes on by the new one. This tells nothing. What was told of is noted as gboost_alert notes it, and is
-- not told of again: what is reached of the limit that there is now, and what the events say, at whatever limit that
-- was, as the period may come back to it. They are read only if something was told of a period that is open.
do $$
declare
  r record;  told bigint[] := '{}';  raised bigint[] := '{}';
begin
  for r in
    select p.id, b.thresholds, p.target, p.alerted, n.reached
      from budgets b join tenants t on t.id = b.tenant_id
      cross join lateral gboost_period(b.cycle, b.week_start, coalesce(b.time_zone, t.time_zone), now()) l
      join budget_periods p on p.id = b.id * 100000000 + l.suffix and p.alerted > 0
      cross join lateral (select coalesce(max(x), 0) as reached from unnest(b.thresholds) x
        where p.settled >= greatest(1, ceil(x::numeric * p.target / 100))) n
     where b.unit = 'usd' and b.cycle <> 'request' and b.removed_at is null loop
    insert into outbox_marks (key, raised_at)
      select 'once:threshold:' || r.id || ':' || x || ':' || r.target, now() from unnest(r.thresholds) x
       where x <= least(r.alerted, r.reached)
      on conflict do nothing;
    told := told || r.id;
    if r.alerted > r.reached then raised := raised || r.id; end if;
  end loop;
  if told = '{}' then return; end if;
  insert into outbox_marks (key, raised_at)
    select 'once:threshold:' || p.id || ':' || (e.payload->>'percent') || ':' || (e.payload->>'limit'), now()
      from outbox e join unnest(told) p (id) on e.payload->>'budget' = (p.id / 100000000)::text
        and e.payload->>'period' = (p.id % 100000000)::text
     where e.kind = 'budget.threshold' and e.payload ?& '{percent,limit}'
    on conflict do nothing;
  -- In the order in which calls lock them, and by what they have become meanwhile.
  for r in select p.id, p.settled, p.target, p.alerted, b.thresholds
             from budget_periods p join budgets b on b.id = p.id / 100000000
            where p.id = any (raised) order by p.id for no key update of p loop
    update budget_periods p set alerted = n.percent, alert_at = gboost_alert_at(r.thresholds, n.percent, r.target)
      from (select least(r.alerted, coalesce(max(x), 0))::smallint as percent from unnest(r.thresholds) x
             where r.settled >= greatest(1, ceil(x::numeric * r.target / 100))) n
     where p.id = r.id;
  end loop;
end $$;

-- The first refusal was told of once a period, and is once a limit. What was told of an open period is noted at the
-- limit that there is now, as gateways note it, and is not told of again. A budget for single calls has no row.
insert into outbox_marks (key, raised_at)
  select m.key || ':' || coalesce(p.target, a.limit_n), now()
    from tenants t cross join lateral gboost_budgets_at(t.id, now()) a
    join outbox_marks m on m.key = 'once:refused:' || t.id || ':' || a.scope || ':' || a.period
    left join budget_periods p on p.id = a.period_id
   where a.unit = 'usd'
  on conflict do nothing;
