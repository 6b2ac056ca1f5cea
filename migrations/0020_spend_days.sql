-- Finished days, added up once: a statement over ten million entries reads some thousand rows.
--
-- A day of a tenant is rolled up two hours after its end, with the entries that were posted within an hour of when their
-- holds were taken: by then no such entry can still come, unless a transaction has been open since, and then the day
-- waits. What is posted later (corrections, calls found after an outage) has an index of its own and is added in every
-- report. So rolled and late entries are the ledger at every moment, and nothing is ever rolled up again. Closing a month
-- adds the ledger up once more and compares.

create table rolled_days (
  tenant_id bigint not null,
  first     timestamptz not null,                 -- a day as it was where the tenant is
  last      timestamptz not null,
  rolled_at timestamptz not null default now(),
  primary key (tenant_id, first, last)
);
create table rolled_spend (
  tenant_id     bigint not null,
  first         timestamptz not null,
  last          timestamptz not null,
  price_id      bigint not null,
  key_id        bigint not null,
  team_id       bigint,
  route         text,
  is_correction boolean not null,
  amount        bigint not null,
  calls         bigint not null,                  -- entries, corrections too
  input_tokens  bigint not null,
  output_tokens bigint not null,
  foreign key (tenant_id, first, last) references rolled_days
);
create index rolled_spend_day on rolled_spend (tenant_id, first);
create index ledger_entries_late on ledger_entries (tenant_id, taken_at) where at - taken_at >= interval '1 hour';

do $$
declare
  r text;
begin
  foreach r in array array['rolled_days', 'rolled_spend'] loop
    execute format('create trigger append_only before update or delete or truncate on %I
      for each statement execute function gboost_append_only()', r);
    execute format('grant select on %I to gboost_app, gboost_tenant', r);
    execute format('alter table %I enable row level security', r);
    execute format('create policy app on %I to gboost_app using (true)', r);
    execute format('create policy tenant on %I for select to gboost_tenant
      using (tenant_id = (select gboost_tenant_id()))', r);
  end loop;
end $$;

-- The days of a span of time in a tenant's time zone, cut where the span is, and whether the whole day is rolled up.
create function gboost_days(p_tenant bigint, p_first timestamptz, p_last timestamptz, p_zone text)
returns table (day date, first timestamptz, last timestamptz, is_rolled boolean)
language sql stable rows 31 as $$
  select d.day, greatest(d.first, p_first), least(d.last, p_last), d.first >= p_first and d.last <= p_last
      and exists (select from rolled_days r where r.tenant_id = p_tenant and r.first = d.first and r.last = d.last)
    from (select g::date as day, gboost_instant(g, p_zone) as first,
            gboost_instant(g + interval '1 day', p_zone) as last
            from generate_series((p_first at time zone p_zone)::date::timestamp,
              (p_last at time zone p_zone)::date::timestamp, interval '1 day') g) d
   where d.first < p_last and d.last > p_first
$$;

-- What was spent in a span of time.
create function gboost_spent(p_tenant bigint, p_first timestamptz, p_last timestamptz, p_zone text) returns numeric
language sql stable as $$
  select coalesce(sum(x.amount), 0) from gboost_days(p_tenant, p_first, p_last, p_zone) d cross join lateral (
    select sum(s.amount) as amount from rolled_spend s
     where d.is_rolled and s.tenant_id = p_tenant and s.first = d.first and s.last = d.last
    union all
    select sum(e.amount) from ledger_entries e where d.is_rolled and e.tenant_id = p_tenant
       and e.taken_at >= d.first and e.taken_at < d.last and e.at - e.taken_at >= interval '1 hour'
    union all
    select sum(e.amount) from ledger_entries e where not d.is_rolled and e.tenant_id = p_tenant
       and e.taken_at >= d.first and e.taken_at < d.last) x
$$;

-- Rolls up the next finished days, at most p_days of them, of all tenants; says how many. Gateways call it with the
-- owner's rights: what it adds up is the ledger, whoever calls it.
create function gboost_roll(p_days int default 1, p_now timestamptz default now()) returns int
language plpgsql security definer set search_path from current set jit = off as $$
declare
  r record;  done int := 0;  since timestamptz;  until timestamptz;  oldest timestamptz;
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
     order by n.day, t.id limit p_days loop
    loop
      since := gboost_instant(r.day::timestamp, r.zone);
      until := gboost_instant(r.day + interval '1 day', r.zone);
      exit when done >= p_days or until > p_now - interval '2 hours' or oldest < until + interval '1 hour';
      insert into rolled_days (tenant_id, first, last) values (r.id, since, until) on conflict do nothing;
      if found then
        insert into rolled_spend (tenant_id, first, last, price_id, key_id, team_id, route, is_correction, amount,
          calls, input_tokens, output_tokens)
        select r.id, since, until, e.price_id, e.key_id, e.team_id, e.route, e.kind = 'adjustment',
          sum(e.amount)::bigint, count(*), coalesce(sum(e.input_tokens), 0)::bigint,
          coalesce(sum(e.output_tokens), 0)::bigint
          from ledger_entries e
         where e.tenant_id = r.id and e.taken_at >= since and e.taken_at < until
           and not (e.at - e.taken_at >= interval '1 hour')
         group by 4, 5, 6, 7, 8;
        done := done + 1;
      end if;
      r.day := r.day + 1;
    end loop;
  end loop;
  return done;
end $$;
revoke execute on function gboost_roll(int, timestamptz) from public;
grant execute on function gboost_roll(int, timestamptz) to gboost_app;
