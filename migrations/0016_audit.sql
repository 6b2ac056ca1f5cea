-- Sealed records: blocks of leaf hashes over escalations and events, and signed checkpoints of them.
--
-- What is hashed, and how, is in Sources/Audit/README.md. A log is named by its kind and its tenant, 0 for the events.

create domain audit_log as text check (value in ('escalations', 'events'));
create domain audit_hash as bytea check (length(value) = 32);

create table audit_blocks (
  log       audit_log not null,
  tenant_id bigint not null,
  number    bigint not null check (number > 0),   -- without gaps
  first_seq bigint not null,
  last_seq  bigint not null,
  previous  audit_hash not null,                  -- root of the log's tree before this block
  root      audit_hash not null,                  -- and after its last record
  frontier  bytea not null,                       -- roots of the tree's full subtrees: what more is added to
  leaves    bytea not null,                       -- the records' leaf hashes, so that a changed one can be named
  sealed_at timestamptz not null default now(),
  primary key (log, tenant_id, number),
  check (first_seq > 0 and last_seq >= first_seq and length(leaves) = 32 * (last_seq - first_seq + 1))
);
alter table audit_blocks alter column leaves set storage external;   -- hashes do not compress

create table audit_checkpoints (
  log       audit_log not null,
  tenant_id bigint not null,
  size      bigint not null,
  at        timestamptz not null default now(),
  note      text not null,
  primary key (log, tenant_id, size, at)
);

-- Events have numbers with gaps, as rolled back transactions leave them: here is their order in their log.
create table audit_events (
  seq      bigint primary key,
  event_id bigint not null unique
);

create trigger append_only before update or delete or truncate on audit_blocks
  for each statement execute function gboost_append_only();
create trigger append_only before update or delete or truncate on audit_checkpoints
  for each statement execute function gboost_append_only();
create trigger append_only before update or delete or truncate on audit_events
  for each statement execute function gboost_append_only();

grant select, insert on audit_blocks, audit_checkpoints, audit_events to gboost_app;

do $$
declare
  r text;
begin
  foreach r in array array['audit_blocks', 'audit_checkpoints'] loop
    execute format('alter table %I enable row level security', r);
    execute format('create policy app on %I to gboost_app using (true) with check (true)', r);
    execute format('create policy tenant on %I for select to gboost_tenant
      using (tenant_id = (select gboost_tenant_id()))', r);
    execute format('grant select on %I to gboost_tenant', r);
  end loop;
end $$;

-- As in 0010; but escalations are dropped only when they are sealed, and the event says up to which record of each
-- tenant: so an audit can tell what retention has dropped from what somebody has removed.
create or replace function gboost_expire(p_holds interval default '35 days', p_now timestamptz default now(), p_limit int default 20000)
returns text[] language plpgsql security definer set search_path from current set lock_timeout = '1s' as $$
declare
  r record;  dropped text[] := '{}';  oldest date;  lasts jsonb;  sealed boolean;
begin
  p_now := least(p_now, now());
  p_holds := greatest(p_holds, interval '1 day');
  perform pg_advisory_xact_lock(7161021, 2);
  for r in select e.relation, e.months, c.relname::text as child from retention e
             join pg_inherits i on i.inhparent = e.relation::regclass join pg_class c on c.oid = i.inhrelid
            where c.relname ~ '_[0-9]{6}$' order by c.relname loop
    oldest := (date_trunc('month', p_now at time zone 'UTC') - make_interval(months => r.months))::date;
    continue when to_date(right(r.child, 6), 'YYYYMM') >= oldest;
    lasts := null;
    if r.relation = 'escalations' then
      execute format('select jsonb_object_agg(x.tenant_id, x.seq), bool_and(coalesce(b.last_seq, 0) >= x.seq)
        from (select tenant_id, max(seq) as seq from %I group by 1) x
        left join lateral (select b.last_seq from audit_blocks b where b.log = ''escalations''
          and b.tenant_id = x.tenant_id order by b.number desc limit 1) b on true', r.child) into lasts, sealed;
      continue when not sealed;
    end if;
    execute format('drop table %I', r.child);
    insert into events (actor, action, subject, before, after)
      values ('retention', 'partition.drop', r.child, jsonb_build_object('months', r.months),
        jsonb_build_object('last', lasts));
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
