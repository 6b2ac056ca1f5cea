-- What routers have learned, by route, and what is still to be learned from.
--
-- A finished request leaves its outcome here in the statement that records it: never without the request, never twice.
-- Any gateway takes outcomes off and folds them into the route's state in one transaction, under the state's row lock,
-- so that no update is lost and none is made twice, however many gateways do so at once.

create table router_states (
  tenant_id  bigint not null references tenants,
  route      text not null,
  state      jsonb,
  -- Outcomes folded in so far.
  updates    bigint not null default 0,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, route)
);

create table router_outcomes (
  id        bigint generated always as identity primary key,
  tenant_id bigint not null,
  route     text not null,
  request   uuid not null,
  outcome   jsonb not null
);
create index router_outcomes_route on router_outcomes (tenant_id, route, id);

grant select, insert, update, delete on router_states to gboost_app;
grant select, insert, delete on router_outcomes to gboost_app;
grant usage on all sequences in schema public to gboost_app;
do $$
declare
  name text;
begin
  foreach name in array array['router_states', 'router_outcomes'] loop
    execute format('alter table %I enable row level security', name);
    execute format('create policy app on %I to gboost_app using (true) with check (true)', name);
    execute format('create policy tenant on %I for select to gboost_tenant using (tenant_id = (select gboost_tenant_id()))',
      name);
    execute format('grant select on %I to gboost_tenant', name);
  end loop;
end $$;
