-- Monthly statements: what was spent, credited and corrected, fixed once the month is closed.

-- Money that changes what a tenant owes, and no budget: who granted it, and why.
create table statement_entries (
  id        bigint generated always as identity primary key,
  at        timestamptz not null default now(),
  tenant_id bigint not null references tenants,
  month     text not null check (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  kind      text not null check (kind in ('credit', 'adjustment', 'payment')),
  amount    bigint not null check (amount <> 0),  -- nano-dollars added to what is owed: a credit is negative
  author    text not null,
  reason    text not null check (length(reason) between 1 and 1000),
  check (kind = 'adjustment' or amount < 0)
);
create index statement_entries_month on statement_entries (tenant_id, month, id);

-- A closed month. The next one opens with what this one closes with.
create table statements (
  tenant_id bigint not null references tenants,
  month     text not null check (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  closed_at timestamptz not null default now(),
  closed_by text not null,
  opening   bigint not null,
  spend     bigint not null,
  corrected bigint not null,                      -- of months that were closed before
  entered   bigint not null,                      -- credits, adjustments, payments
  closing   bigint not null,
  document  text not null,                        -- the statement in full, JSON
  sha256    text not null check (sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')),
  primary key (tenant_id, month),
  check (closing = opening + spend + corrected + entered)
);

-- What a closed month's spend turned out to be, by the later statement that says so.
create table statement_corrections (
  tenant_id bigint not null,
  month     text not null,                        -- of the statement
  of_month  text not null,
  amount    bigint not null,
  primary key (tenant_id, month, of_month),
  foreign key (tenant_id, month) references statements,
  foreign key (tenant_id, of_month) references statements
);

-- A closed month takes no more entries.
create function gboost_month_is_open() returns trigger language plpgsql as $$
begin
  perform from tenants t where t.id = new.tenant_id for no key update;
  if exists (select from statements s where s.tenant_id = new.tenant_id and s.month >= new.month) then
    raise exception '% is closed', new.month using errcode = 'GB003';
  end if;
  return new;
end $$;
create trigger month_is_open before insert on statement_entries
  for each row execute function gboost_month_is_open();

do $$
declare
  r text;
begin
  foreach r in array array['statement_entries', 'statements', 'statement_corrections'] loop
    execute format('create trigger append_only before update or delete or truncate on %I
      for each statement execute function gboost_append_only()', r);
    execute format('grant select, insert on %I to gboost_app', r);
    execute format('alter table %I enable row level security', r);
    execute format('create policy app on %I to gboost_app using (true) with check (true)', r);
    execute format('create policy tenant on %I for select to gboost_tenant
      using (tenant_id = (select gboost_tenant_id()))', r);
    execute format('grant select on %I to gboost_tenant', r);
  end loop;
end $$;
grant usage on sequence statement_entries_id_seq to gboost_app;
