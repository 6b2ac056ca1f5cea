-- Answers of paid models may be kept by gateways, in memory, for the same request of the same tenant.
alter table tenants add column cache_seconds int check (cache_seconds between 1 and 604800);   -- null: none is kept
