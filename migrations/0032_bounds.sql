-- Sums at the end of what a bigint can say, one bad day that stopped everybody's, and what was counted whole at a recut
-- though it settled lower.

-- Rolls up the next finished days, at most p_days of them, of all tenants; says how many. Gateways call it with the
-- owner's rights: what it adds up is the ledger, whoever calls it.
--
-- As in 0020, but counts of tokens are cut where they do not fit, and a day whose sums do not fit is passed over, with
-- a warning, as soon as a later one is there: reports read its entries. The other tenants' days do not wait for it.
create or replace function gboost_roll(p_days int default 1, p_now timestamptz default now()) returns int
language plpgsql security definer set jit = off as $$
declare
  r record;  done int := 0;  since timestamptz;  until timestamptz;  oldest timestamptz;
  most constant bigint := 9223372036854775807;
begin
  p_now := least(p_now, now());
  if not pg_try_advisory_xact_lock(7161021, 8) then return 0; end if;  -- another gateway is at it
  select min(a.xact_start) into oldest from pg_stat_activity a
   where a.datname = current_database() and a.backend_type = 'client backend';
  for r in
    select t.id, t.time_zone as zone, n.day from tenants t cross join lateral (
      select coalesce(
        (select (d.last at time zone t.time_zone)::date from rolled_days d
          where d.tenant_id = t.id order by d.first desc limit 1),
        (select (min(e.taken_at) at time zone t.time_zone)::date from ledger_entries e
          where e.tenant_id = t.id)) as day) n
     where gboost_instant(n.day + interval '1 day', t.time_zone) <= p_now - interval '2 hours'
     order by n.day, t.id loop                         -- no limit: the first ones may be passed over
    exit when done >= p_days;
    loop
      since := gboost_instant(r.day::timestamp, r.zone);
      until := gboost_instant(r.day + interval '1 day', r.zone);
      exit when done >= p_days or until > p_now - interval '2 hours' or oldest < until + interval '1 hour';
      begin
        insert into rolled_days (tenant_id, first, last) values (r.id, since, until) on conflict do nothing;
        if found then
          insert into rolled_spend (tenant_id, first, last, price_id, key_id, team_id, route, is_correction, amount,
            calls, input_tokens, output_tokens)
          select r.id, since, until, e.price_id, e.key_id, e.team_id, e.route, e.kind = 'adjustment',
            sum(e.amount)::bigint, count(*), least(coalesce(sum(e.input_tokens), 0), most)::bigint,
            least(coalesce(sum(e.output_tokens), 0), most)::bigint
            from ledger_entries e
           where e.tenant_id = r.id and e.taken_at >= since and e.taken_at < until
             and not (e.at - e.taken_at >= interval '1 hour')
           group by 4, 5, 6, 7, 8;
          done := done + 1;
        end if;
      exception when data_exception then
        raise warning 'day % of tenant % is not rolled up: %', r.day, r.id, sqlerrm;
      end;
      r.day := r.day + 1;
    end loop;
  end loop;
  return done;
end $$;

-- As in 0029: what runs with the owner's rights looks for its tables in their schema first, among temporary ones last.
do $$
begin
  execute format('alter function gboost_roll(int, timestamptz) set search_path = %I, pg_temp', current_schema());
end $$;

-- The last of a budget's periods before the one that begins on p_first that has a row; null: none has. Of weeks, one
-- that begins on today's first day of the week, if there is any.
create function gboost_period_before(p_budget budgets, p_first date) returns bigint language sql stable as $$
  select p.id from budget_periods p
   where p.id >= p_budget.id * 100000000
     and p.id < p_budget.id * 100000000
       + to_char(p_first, case p_budget.cycle when 'month' then 'YYYYMM00' else 'YYYYMMDD' end)::bigint
   order by p_budget.cycle <> 'week' or gboost_begins_on(p.id, p_budget.week_start) desc, p.id desc
   limit 1
$$;

-- What p_old, the last period with a row, passes on, and what of it is carried into the period that begins on p_first:
-- idle periods between have no row, and pass on everything: at once, where no override is among them, as there may be
-- thousands. Never more than the limit can be added to.
create function gboost_passed(p_budget budgets, p_old budget_periods, p_first date, p_zone text,
  out passed bigint, out carried bigint)
language plpgsql stable as $$
declare
  day date;  idle int;
  room bigint := 9223372036854775807 - gboost_limit_on(p_budget, p_first);
  step interval := case p_budget.cycle when 'quarter' then interval '3 months'
    else ('1 ' || p_budget.cycle)::interval end;
begin
  passed := 0;  carried := 0;
  if p_old.id is not null then
    -- Weeks that began on another day, before they were cut anew, pass nothing on: those in use since count their
    -- spend.
    if p_budget.cycle = 'week' and not gboost_begins_on(p_old.id, p_budget.week_start) then return; end if;
    -- Nor do weeks from before a time of other weeks: what was spent in that time stands in those.
    if p_budget.cycle = 'week' and exists (select from budget_periods p
        where p.id >= p_budget.id * 100000000
            + to_char(to_date((p_old.id % 100000000)::text, 'YYYYMMDD') + 7, 'YYYYMMDD')::bigint
          and p.id < p_budget.id * 100000000 + to_char(p_first, 'YYYYMMDD')::bigint) then return; end if;
    passed := greatest(0, least(p_old.target - p_old.settled - p_old.held, p_budget.rollover_n, room));
    carried := passed;
    day := case p_budget.cycle when 'month' then to_date((p_old.id / 100 % 1000000)::text, 'YYYYMM')
      else to_date((p_old.id % 100000000)::text, 'YYYYMMDD') end;
  else
    select p.first_day into day
      from gboost_period(p_budget.cycle, p_budget.week_start, p_zone, p_budget.created_at) p;
    if day >= p_first then return; end if;
    carried := least(gboost_limit_on(p_budget, day), p_budget.rollover_n);
  end if;
  if exists (select from budget_overrides o where o.budget_id = p_budget.id and o.removed_at is null
      and o.until_day > day and o.from_day < p_first) then
    loop
      day := (day + step)::date;
      exit when day >= p_first or carried = p_budget.rollover_n;   -- more is never carried
      carried := least(gboost_limit_on(p_budget, day)::numeric + carried, p_budget.rollover_n)::bigint;
    end loop;
  else
    idle := greatest(0, case p_budget.cycle when 'day' then p_first - day - 1 when 'week' then (p_first - day - 1) / 7
      else (12 * (extract(year from p_first) - extract(year from day)) + extract(month from p_first)
        - extract(month from day) - 1)::int / case p_budget.cycle when 'quarter' then 3 else 1 end end);
    carried := least(carried + idle::numeric * p_budget.limit_n, p_budget.rollover_n)::bigint;
  end if;
  carried := least(carried, room);
end $$;

-- What the periods before the one that begins on p_first pass on: their targets less what was settled or held in them.
-- It moves: a period that has passed money on cannot grant it any more. A period without traffic has no row and passes
-- on everything, up to the budget's rollover_n. The reckoning is gboost_passed's.
create or replace function gboost_carry(p_budget budgets, p_first date, p_zone text) returns bigint
language plpgsql as $$
declare
  old budget_periods;  x record;
begin
  select * into old from budget_periods p where p.id = gboost_period_before(p_budget, p_first) for no key update;
  select * into x from gboost_passed(p_budget, old, p_first, p_zone);
  if x.passed > 0 then
    update budget_periods p
       set passed_on = p.passed_on + x.passed, target = p.target - x.passed,
           lim = greatest(p.target - x.passed, p.settled + p.held)
     where p.id = old.id;
  end if;
  return x.carried;
end $$;

-- What would be carried into a period without a row if it were opened now. Opens and moves nothing.
create function gboost_would_carry(p_budget budgets, p_first date, p_zone text) returns bigint
language plpgsql stable as $$
declare
  old budget_periods;
begin
  if p_budget.rollover_n is null or p_first is null then return 0; end if;
  select * into old from budget_periods p where p.id = gboost_period_before(p_budget, p_first);
  return (select x.carried from gboost_passed(p_budget, old, p_first, p_zone) x);
end $$;

-- Periods whose `elsewhere` counts open holds whole, which may settle lower: when those were taken, from the first to
-- the last of them. No call is held on the periods that they are on any more, so there will be no others.
create table moved_periods (
  id    bigint primary key,
  taken tstzrange not null
);
grant select, insert, update, delete on moved_periods to gboost_app;
-- No tenant's.
alter table moved_periods enable row level security;
create policy app on moved_periods to gboost_app using (true) with check (true);

-- After the periods of a budget are cut anew: the one that is open now counts what was spent or held since its
-- beginning on other periods of the budget, so that no budget begins anew by being cut anew, however often. As in 0007,
-- but it keeps when what was held was taken.
create or replace function gboost_count_again(p_budget bigint, p_at timestamptz) returns void language plpgsql as $$
declare
  b budgets;  a record;  used numeric;  held record;
begin
  select * into strict b from budgets where id = p_budget;
  select * into a from gboost_budgets_at(b.tenant_id, p_at) x where x.budget_id = p_budget;
  if not found or b.unit <> 'usd' or b.cycle not in ('day', 'week', 'month', 'quarter') then return; end if;
  perform gboost_open_periods(b.tenant_id, p_at, p_budget => p_budget);
  -- Nothing of this budget may move while its use is counted.
  perform 1 from budget_periods p where p.id >= p_budget * 100000000 and p.id < (p_budget + 1) * 100000000
    order by p.id for no key update;
  select coalesce(sum(e.amount), 0) into used from ledger_entries e
   where e.tenant_id = b.tenant_id and e.taken_at >= a.first_at and a.period_id <> all (e.periods)
     and exists (select from unnest(e.periods) q where q / 100000000 = p_budget);
  -- The bound by created_at is for its index: holds are made when they are taken, but for clocks that tests set.
  select coalesce(sum(h.amount), 0) as amount, min(h.created_at) as first, max(h.created_at) as last into held
    from holds h
   where h.tenant_id = b.tenant_id and h.taken_at >= a.first_at and h.state in ('r', 'd')
     and h.created_at >= least(a.first_at, now()) - interval '1 hour' and a.period_id <> all (h.periods)
     and exists (select from unnest(h.periods) q where q / 100000000 = p_budget);
  update budget_periods p set elsewhere = least(9223372036854775807, used + held.amount)::bigint
   where p.id = a.period_id;
  if held.first is null then
    delete from moved_periods m where m.id = a.period_id;
  else
    insert into moved_periods (id, taken) values (a.period_id, tstzrange(held.first, held.last, '[]'))
      on conflict (id) do update set taken = excluded.taken;
  end if;
  perform gboost_refresh_periods(p_budget, p_at);
end $$;

-- Counts budgets again that were cut anew while calls were under way, once all of those have ended: they were counted
-- as what they might have cost. Once, and not as each of them ends: counting takes the rows that calls need. One
-- tenant's at a time, and at most 20. Says whether it did anything: there may be others. One that cannot be counted is
-- passed over, with a warning.
create function gboost_count_moved(p_now timestamptz default null) returns boolean language plpgsql as $$
declare
  v_at timestamptz := coalesce(p_now, now());  r record;  done int := 0;  tenant bigint;
begin
  if not pg_try_advisory_xact_lock(7161021, 10) then return false; end if;  -- another gateway is at it
  for r in select m.id, m.taken, b.id as budget, b.tenant_id
             from moved_periods m left join budgets b on b.id = m.id / 100000000 order by b.tenant_id, m.id loop
    exit when done >= 20 or done > 0 and r.tenant_id is distinct from tenant;
    continue when exists (select from holds h
      where h.created_at >= lower(r.taken) and h.created_at <= upper(r.taken) and h.state in ('r', 'd')
        and h.tenant_id = r.tenant_id and r.id <> all (h.periods)
        and exists (select from unnest(h.periods) q where q / 100000000 = r.budget));
    begin
      perform 1 from tenants t where t.id = r.tenant_id for no key update;
      -- Whoever had that lock may have cut it anew, once more, or have counted it.
      if exists (select from moved_periods m where m.id = r.id and m.taken = r.taken) then
        if exists (select from gboost_budgets_at(r.tenant_id, v_at) a where a.period_id = r.id) then
          perform gboost_count_again(r.budget, v_at);
        else                               -- it is over, or its budget is gone
          delete from moved_periods m where m.id = r.id;
        end if;
      end if;
    exception when others then
      raise warning 'period % is not counted again: %', r.id, sqlerrm;
      continue;
    end;
    done := done + 1;
    tenant := r.tenant_id;
  end loop;
  return done > 0;
end $$;

-- Takes an open hold off its periods and adds what is posted. p_used: tokens. The caller has locked the hold. As in
-- 0009, but what is released goes first: on the way to a sum that fits, none is larger.
create or replace function gboost_release(p_hold holds, p_posted bigint, p_used bigint, p_requests int) returns void
language plpgsql as $$
declare
  k bigint;
begin
  perform 1 from budget_periods p where p.id = any (p_hold.periods || p_hold.request_limits || p_hold.token_limits
    || p_hold.parallel_limits) order by p.id for no key update;
  update budget_periods p
     set settled = p.settled + u.act, held = p.held - u.rel,
         lim = greatest(p.target, p.held - u.rel + p.settled + u.act)
    from (select unnest(p_hold.periods) k, p_hold.amount rel, p_posted act
          union all select unnest(p_hold.request_limits), 1, p_requests
          union all select unnest(p_hold.token_limits), p_hold.tokens, p_used
          union all select unnest(p_hold.parallel_limits), 1, 0) u
   where p.id = u.k;
  foreach k in array p_hold.periods loop perform gboost_alert(k); end loop;
end $$;

-- Ends a hold exactly once.
-- p_outcome: c completed · e estimated (the whole hold) · f failed (nothing). p_tokens: what it used of token limits.
-- verdict: settled · settled_before (no change) · adjusted (recovery had posted it in full; the difference is
--          posted) · voided (no change) · unknown (no such hold, no change)
-- alarm: the provider charged more than was held. Posted in full all the same: the ledger says what was billed.
--
-- As in 0009, but of a charge that a budget's counters have no room for, what they do have is posted, and the record
-- says so. Refused, its hold would stay open for ever.
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
  if h.state = 's' and not h.unreconciled then verdict := 'settled_before'; posted := h.actual; return; end if;

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
