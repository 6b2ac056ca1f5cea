-- Finished holds are deleted by a function of their own, many times in a row: 20,000 every six hours, in the transaction
-- that drops partitions, were fewer than a busy gateway takes, and none where a reader kept a partition from going. And
-- partitions are dropped one in a transaction.

-- Deletes finished holds whose time is over, at most p_limit, and gives back how many; their entries stay. With the
-- owner's rights: a gateway can delete no others.
--
-- By the primary key: an id begins with when its request did (UUIDv7), so what is old is at the front, behind none but
-- the few that are kept, open and unreconciled ones. The index on created_at tells nothing once pages are filled again:
-- each has old rows and new ones. An id of another kind, or by a clock that is ahead, is either behind all of today's,
-- where there are no others, or among them, and at the front 36 days later. Whether a hold goes, created_at says.
create function gboost_expire_holds(p_limit int default 20000) returns int
language plpgsql security definer set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  n int;  old timestamptz := now() - interval '35 days';  ahead timestamptz := now() + interval '1 day';
  first uuid := (lpad(to_hex(floor(extract(epoch from old) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
  last uuid := (lpad(to_hex(floor(extract(epoch from ahead) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
begin
  delete from holds h where h.ctid = any (array(
    (select g.ctid from holds g
      where g.request_id < first and g.created_at < old and g.state in ('s', 'v') and not g.unreconciled
      order by g.request_id limit p_limit)
    union all
    (select g.ctid from holds g
      where g.request_id >= last and g.created_at < old and g.state in ('s', 'v') and not g.unreconciled
      order by g.request_id limit p_limit)
    limit p_limit));
  get diagnostics n = row_count;
  return n;
end $$;
revoke execute on function gboost_expire_holds(int) from public;
grant execute on function gboost_expire_holds(int) to gboost_app;

-- As in 0023 and 0025, without the holds, and one partition a call, as the last thing that it does: a drop keeps all
-- writers from the whole relation until its transaction ends. Callers repeat it until it drops none. The last record of
-- each tenant is found in the primary key, from one tenant to the next, without reading the others. p_holds and p_limit
-- are what gateways before this one may give, and say nothing any more.
create or replace function gboost_expire(p_holds interval default '35 days', p_now timestamptz default now(), p_limit int default 20000)
returns text[] language plpgsql security definer set lock_timeout = '1s'
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off as $$
declare
  r record;  over record;  oldest date;  lasts jsonb;  sealed boolean;
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
      execute format('with recursive x as (
          (select tenant_id, seq from %1$I order by tenant_id desc, seq desc limit 1)
          union all
          select n.* from x cross join lateral (select p.tenant_id, p.seq from %1$I p
            where p.tenant_id < x.tenant_id order by p.tenant_id desc, p.seq desc limit 1) n)
        select jsonb_object_agg(x.tenant_id, x.seq), bool_and(coalesce(b.last_seq, 0) >= x.seq) from x
        left join lateral (select b.last_seq from audit_blocks b where b.log = %2$L
          and b.tenant_id = x.tenant_id order by b.number desc limit 1) b on true', r.child, r.relation)
        into lasts, sealed;
      continue when not sealed;
    end if;
    over := r;
    exit;
  end loop;
  delete from budget_periods p using budgets b
   where b.cycle = 'minute' and p.id >= b.id * 100000000 and p.held = 0
     and p.id < b.id * 100000000 + floor(extract(epoch from p_now) / 60)::bigint % 100000000 - 120;
  if over is null then return '{}'; end if;
  insert into events (actor, action, subject, before, after)
    values ('retention', 'partition.drop', over.child, jsonb_build_object('months', over.months),
      jsonb_build_object(case over.relation when 'refusals' then 'last_refusals' else 'last' end, lasts));
  execute format('drop table %I', over.child);
  return array[over.child];
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
