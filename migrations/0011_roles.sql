-- Who may do what, by the database itself.
--
-- gboost_app: what gateways and the command run as. It cannot change or delete what is posted. Schema changes are the
--             owner's.
-- gboost_tenant: what serves a tenant reads as. It sees rows of the tenant in the setting gboost.tenant only, and
--             without that setting none.
-- Roles belong to the whole cluster, so they may exist already.
do $$
declare
  r text;
begin
  foreach r in array array['gboost_app', 'gboost_tenant'] loop
    begin
      if not exists (select from pg_roles where rolname = r) then execute format('create role %I nologin', r); end if;
    exception when duplicate_object or unique_violation then null;
    end;
    if not (select rolsuper from pg_roles where rolname = current_user) and not pg_has_role(current_user, r, 'member')
    then execute format('grant %I to current_user', r); end if;
  end loop;
  execute format('grant usage on schema %I to gboost_app, gboost_tenant', current_schema());
end $$;

grant select on all tables in schema public to gboost_app;
grant insert, update on tenants, teams, api_keys, models, routes, budgets, budget_overrides, budget_periods,
  local_limits, catalog_version, gateways, holds, escalation_counters, outbox, retention to gboost_app;
grant delete on models, routes, retention to gboost_app;
grant insert on prices, price_tiers, events, ledger_entries, escalations, requests to gboost_app;
grant usage on all sequences in schema public to gboost_app;
-- What changes the schema, with the owner's rights and within bounds of its own, is for gateways only.
revoke execute on function gboost_ensure_partitions(int, timestamptz), gboost_expire(interval, timestamptz, int)
  from public;
grant execute on function gboost_ensure_partitions(int, timestamptz), gboost_expire(interval, timestamptz, int)
  to gboost_app;

create function gboost_tenant_id() returns bigint language sql stable parallel safe as $$
  select nullif(current_setting('gboost.tenant', true), '')::bigint
$$;

do $$
declare
  r record;
begin
  for r in select c.relname::text as name,
             exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id') as owned
             from pg_class c where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
              and c.relname <> 'schema_migrations' and not c.relispartition loop
    if r.owned or r.name in ('tenants', 'budget_overrides', 'budget_periods') then
      execute format('alter table %I enable row level security', r.name);
      execute format('create policy app on %I to gboost_app using (true) with check (true)', r.name);
      execute format('create policy tenant on %I for select to gboost_tenant using (%s)', r.name, case r.name
        when 'tenants' then 'id = (select gboost_tenant_id())'
        when 'budget_overrides' then 'budget_id in (select b.id from budgets b)'
        when 'budget_periods' then 'id / 100000000 in (select b.id from budgets b)'
        else 'tenant_id = (select gboost_tenant_id())' end);
      execute format('grant select on %I to gboost_tenant', r.name);
    end if;
  end loop;
end $$;
-- A key's hash is nobody's to read but the gateway's.
revoke select on api_keys from gboost_tenant;
grant select (id, tenant_id, team_id, name, prefix, created_at, rotated_at, expires_at, revoked_at, suspended_at)
  on api_keys to gboost_tenant;
-- Prices are everybody's.
grant select on prices, price_tiers, gateways to gboost_tenant;
