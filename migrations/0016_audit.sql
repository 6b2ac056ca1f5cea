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
