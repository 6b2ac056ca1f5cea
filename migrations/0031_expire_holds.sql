-- Finished holds are deleted by a function of their own, many times in a row: 20,000 every six hours, in the transaction
-- that drops partitions, were fewer than a busy gateway takes, and none where a reader kept a partition from going.

-- Deletes finished holds whose time is over, at most p_limit, and gives back how many; their entries stay. With the
-- owner's rights: a gateway can delete no others. Without a sequential scan, which reads all holds where none is old
-- enough: the index on created_at knows the pages.
create function gboost_expire_holds(p_limit int default 20000) returns int
language plpgsql security definer set enable_seqscan = off as $$
declare
  n int;
begin
  delete from holds h where h.ctid = any (array(
    select g.ctid from holds g
     where g.created_at < now() - interval '35 days' and g.state in ('s', 'v') and not g.unreconciled
     limit p_limit));
  get diagnostics n = row_count;
  return n;
end $$;
revoke execute on function gboost_expire_holds(int) from public;
grant execute on function gboost_expire_holds(int) to gboost_app;

-- As in 0023 and 0025, without the holds. p_holds and p_limit are what gateways before this one may give, and say
-- nothing any more.
create or replace function gboost_expire(p_holds interval default '35 days', p_now timestamptz default now(), p_limit int default 20000)
returns text[] language plpgsql security definer set lock_timeout = '1s'
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  r record;  dropped text[] := '{}';  oldest date;  lasts jsonb;  sealed boolean;
begin
  p_now := least(p_now, now());
  perform pg_advisory_xact_lock(7161021, 2);
  for r in select e.relation, e.months, c.relname::text as child
             from (select relation, months from retention
                   union all select 'refusals', months from retention where relation = 'escalations') e
             join pg_inherits i on i.inhparent = e.relation::regclass join pg_class c on c.oid = i.inhrelid
            where c.relname ~ '_[0-9]{6}$' order by c.relname loop
    oldest := (date_trunc('month', p_now at time zone 'UTC') - make_interval(months => r.months))::date;
    continue when to_date(right(r.child, 6), 'YYYYMM') >= oldest;
    lasts := null;
    if r.relation <> 'requests' then
      execute format('select jsonb_object_agg(x.tenant_id, x.seq), bool_and(coalesce(b.last_seq, 0) >= x.seq)
        from (select tenant_id, max(seq) as seq from %I group by 1) x
        left join lateral (select b.last_seq from audit_blocks b where b.log = %L
          and b.tenant_id = x.tenant_id order by b.number desc limit 1) b on true', r.child, r.relation)
        into lasts, sealed;
      continue when not sealed;
    end if;
    execute format('drop table %I', r.child);
    insert into events (actor, action, subject, before, after)
      values ('retention', 'partition.drop', r.child, jsonb_build_object('months', r.months),
        jsonb_build_object(case r.relation when 'refusals' then 'last_refusals' else 'last' end, lasts));
    dropped := dropped || r.child;
  end loop;
  delete from budget_periods p using budgets b
   where b.cycle = 'minute' and p.id >= b.id * 100000000 and p.held = 0
     and p.id < b.id * 100000000 + floor(extract(epoch from p_now) / 60)::bigint % 100000000 - 120;
  return dropped;
end $$;

-- As in 0029: what runs with the owner's rights looks for its tables in their schema first, among temporary ones last.
do $$
declare
  f text;
begin
  foreach f in array array['gboost_expire_holds(int)', 'gboost_expire(interval, timestamptz, int)'] loop
    execute format('alter function %s set search_path = %I, pg_temp', f, current_schema());
  end loop;
end $$;
