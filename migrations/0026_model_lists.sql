-- Which models a key or a team may name, and names for paid models that need no SLM of the tenant's.

alter table api_keys add column models text[];   -- patterns, of which one has to match; null: every name
alter table teams add column models text[];
grant select (models) on api_keys to gboost_tenant;

alter table routes alter column slm drop not null;
-- A route without an SLM says that it is direct: one that says nothing is stepwise.
alter table routes add constraint routes_slm_check
  check (slm is not null or coalesce(settings ->> 'strategy', '') = 'direct');
-- "vendor/model" too: a tenant's route goes before the model of that name.
alter table routes drop constraint routes_name_check;
alter table routes add constraint routes_name_check check (name ~ '^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,126}$');
