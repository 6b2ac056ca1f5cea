-- What tenants are charged inside the company for their local models: no budget, no hold, no paid call.

-- One row for each request that a local model with a rate worked on: priced when it is recorded, by the rate that was in
-- force when it began, and never again. Rates are prices of the provider "slm": slm/NAME, or slm/* for all the others.
create table slm_charges (
  request_id    uuid primary key,                 -- recorded twice, charged once
  at            timestamptz not null default now(),
  started_at    timestamptz not null,             -- the month and the day that it counts in
  tenant_id     bigint not null,
  team_id       bigint,
  key_id        bigint not null,
  route         text,
  model         text not null,                    -- the local model's name
  price_id      bigint not null,
  input_tokens  bigint not null check (input_tokens >= 0),     -- evaluated, not those found again
  output_tokens bigint not null check (output_tokens >= 0),    -- drafted, accepted or not
  amount        bigint not null check (amount >= 0)            -- nano-dollars
);
create index slm_charges_report on slm_charges (tenant_id, started_at)
  include (team_id, key_id, route, model, price_id, input_tokens, output_tokens, amount);

create trigger append_only before update or delete or truncate on slm_charges
  for each statement execute function gboost_append_only();
grant select, insert on slm_charges to gboost_app;
alter table slm_charges enable row level security;
create policy app on slm_charges to gboost_app using (true) with check (true);
create policy tenant on slm_charges for select to gboost_tenant using (tenant_id = (select gboost_tenant_id()));
grant select on slm_charges to gboost_tenant;

-- A closed month says its chargeback too; months that were closed before had none.
alter table statements add column chargeback bigint not null default 0;
do $$
declare
  name text;
begin
  select c.conname into strict name from pg_constraint c
   where c.conrelid = 'statements'::regclass and c.contype = 'c' and pg_get_constraintdef(c.oid) like '%closing =%';
  execute format('alter table statements drop constraint %I', name);
end $$;
alter table statements
  add constraint statements_closing check (closing = opening + spend + chargeback + corrected + entered);
