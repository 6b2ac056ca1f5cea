-- Escalations by month, and how long requests and escalations are kept.

alter table escalations rename to escalations_unpartitioned;
alter table escalations_unpartitioned rename constraint escalations_pkey to escalations_unpartitioned_pkey;
create table escalations (like escalations_unpartitioned including defaults including constraints)
  partition by range (at);
alter table escalations add primary key (tenant_id, seq, at);
create table escalations_default partition of escalations default;

-- Row triggers are inherited by partitions, so they hold when a partition is named directly, too.
create trigger append_only before update or delete on escalations for each row execute function gboost_append_only();
create trigger append_only_truncate before truncate on escalations
  for each statement execute function gboost_append_only();
create trigger append_only_truncate before truncate on escalations_default
  for each statement execute function gboost_append_only();

-- Months to keep, the current one not counted. No row: for ever.
create table retention (
  relation text primary key check (relation in ('requests', 'escalations')),
  months   int not null check (months between 1 and 1200)
);

-- Makes the partitions of this month and the next ones; leaves a month alone whose rows already went to the default
-- partition.
drop function gboost_ensure_partitions(int);
create function gboost_ensure_partitions(p_months int default 3, p_from timestamptz default now()) returns int
language plpgsql security definer set search_path from current as $$
declare
  first date;  made int := 0;  child text;  parent text;
begin
  perform pg_advisory_xact_lock(7161021, 2);
  foreach parent in array array['requests', 'escalations'] loop
    for i in 0 .. p_months loop
      first := (date_trunc('month', p_from at time zone 'UTC') + make_interval(months => i))::date;
      child := parent || '_' || to_char(first, 'YYYYMM');
      continue when to_regclass(child) is not null;
      begin
        execute format('create table %I partition of %I for values from (%L) to (%L)', child, parent,
          first::text || ' 00:00:00+00', (first + interval '1 month')::date::text || ' 00:00:00+00');
        if parent = 'escalations' then
          execute format('create trigger append_only_truncate before truncate on %I
            for each statement execute function gboost_append_only()', child);
        end if;
        made := made + 1;
      exception when check_violation then
        raise warning '% of % stay in the default partition', parent, to_char(first, 'YYYY-MM');
      end;
    end loop;
  end loop;
  return made;
end $$;

-- Drops the partitions that retention has run out for, each as a whole, and says which. Also what only serves the
-- moment: finished holds after p_holds (their entries stay), and period rows of past minutes.
-- Gateways call it with the owner's rights: nothing that they say makes it drop more than the retention allows today.
create function gboost_expire(p_holds interval default '35 days', p_now timestamptz default now(), p_limit int default 20000)
returns text[] language plpgsql security definer set search_path from current set lock_timeout = '1s' as $$
declare
  r record;  dropped text[] := '{}';  oldest date;
begin
  p_now := least(p_now, now());
  p_holds := greatest(p_holds, interval '1 day');
  perform pg_advisory_xact_lock(7161021, 2);
  for r in select e.relation, e.months, c.relname::text as child from retention e
             join pg_inherits i on i.inhparent = e.relation::regclass join pg_class c on c.oid = i.inhrelid
            where c.relname ~ '_[0-9]{6}$' order by c.relname loop
    oldest := (date_trunc('month', p_now at time zone 'UTC') - make_interval(months => r.months))::date;
    continue when to_date(right(r.child, 6), 'YYYYMM') >= oldest;
    execute format('drop table %I', r.child);
    insert into events (actor, action, subject, before)
      values ('retention', 'partition.drop', r.child, jsonb_build_object('months', r.months));
    dropped := dropped || r.child;
  end loop;
  delete from holds h where h.ctid = any (array(
    select g.ctid from holds g where g.created_at < p_now - p_holds and g.state in ('s', 'v') and not g.unreconciled
     limit p_limit));
  delete from budget_periods p using budgets b
   where b.cycle = 'minute' and p.id >= b.id * 100000000 and p.held = 0
     and p.id < b.id * 100000000 + floor(extract(epoch from p_now) / 60)::bigint % 100000000 - 120;
  return dropped;
end $$;

select gboost_ensure_partitions();
insert into escalations select * from escalations_unpartitioned;
drop table escalations_unpartitioned;
