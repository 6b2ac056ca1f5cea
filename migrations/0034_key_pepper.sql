-- A gateway or a command that hashed keys with another pepper than the others did so in silence: its keys were unknown
-- to them, and theirs to it.

-- At most one row: HMAC-SHA256 of a fixed text, keyed by the pepper that this database's keys are hashed with. It tells
-- whether a pepper is that one, and nothing else of it. Written with the first key, or by the first gateway that
-- serves; a pepper is never changed. The owner alone can delete it, where a wrong one was recorded: no key is lost by
-- that, no command makes one until a gateway serves, and that one's pepper is recorded.
create table key_pepper (
  is_only  bool primary key default true check (is_only),
  proof    bytea not null check (length(proof) = 32),
  noted_at timestamptz not null default now()
);
grant select, insert on key_pepper to gboost_app;
-- No tenant's.
alter table key_pepper enable row level security;
create policy app on key_pepper to gboost_app using (true) with check (true);
