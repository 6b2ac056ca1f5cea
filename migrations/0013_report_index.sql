-- Monthly reports from an index alone: a tenant with a fifth of ten million entries waits a tenth of a second.

drop index ledger_entries_report;
create index ledger_entries_report on ledger_entries (tenant_id, taken_at)
  include (price_id, key_id, team_id, amount, input_tokens, output_tokens);
-- The few entries that are not calls' own, or whose charge is not known.
create index ledger_entries_others on ledger_entries (tenant_id, taken_at) where kind in ('adjustment', 'unreconciled');
-- Only what vacuum has seen need not be looked up in the table.
alter table ledger_entries set (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 10000);
