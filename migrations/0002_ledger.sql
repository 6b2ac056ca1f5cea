-- Budgets, holds and what is posted.
--
-- Lock order everywhere: budgets, new period rows (by id), an existing hold, period rows (by id), a new hold, the
-- tenant's escalation counter. A transaction works on one hold.
-- Hot tables carry no foreign keys and no index on a column that changes, so that updates stay heap-only.

create table budgets (
  id         bigint generated always as identity primary key,
  tenant_id  bigint not null references tenants,
  team_id    bigint,                              -- at most one of team and key; neither: the whole tenant
  key_id     bigint references api_keys,
  cycle      text not null default 'month' check (cycle in ('day', 'week', 'month')),
  limit_n    bigint not null check (limit_n >= 0),
  thresholds smallint[] not null default '{}',    -- percent of the limit at which to alert
  time_zone  text,                                -- null: the tenant's
  created_at timestamptz not null default now(),
  foreign key (tenant_id, team_id) references teams (tenant_id, id),
  check (team_id is null or key_id is null),
  check (id < 92233720368)                        -- period ids are id * 10^8 + yyyymmdd
);
create unique index budgets_scope on budgets (tenant_id, coalesce(team_id, 0), coalesce(key_id, 0), cycle);

-- One row a budget and period, opened on first use. id = budget id * 10^8 + yyyymmdd of the period's first day
-- (month: dd = 00) in the budget's time zone: there is no reset job.
create table budget_periods (
  id      bigint primary key,
  target  bigint not null check (target >= 0),            -- what the operator asked for, top-ups included
  topup   bigint not null default 0 check (topup >= 0),   -- part of target that ends with this period
  lim     bigint not null,                                -- the cap in force: greatest(target, settled + held)
  settled bigint not null default 0 check (settled >= 0),
  held    bigint not null default 0 check (held >= 0),
  constraint hard_cap check (settled + held <= lim)       -- at every commit, whoever writes
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

create table gateways (
  incarnation  uuid primary key,
  instance     text not null,                     -- the configured name
  journal_id   uuid not null,                     -- one live process at a time per journal: it is locked
  started_at   timestamptz not null default now(),
  heartbeat_at timestamptz not null default now(),
  stopped_at   timestamptz,
  recovered_at timestamptz                        -- gone, and no hold of it is open: recovery skips it from now on
);

create table holds (                              -- request_id is a UUIDv7: the index grows at its end
  request_id   uuid not null,
  step         smallint not null,
  attempt      smallint not null,
  state        "char" not null check (state in ('r', 'd', 's', 'v')),  -- reserved, dispatched, settled, voided
  unreconciled boolean not null default false,    -- posted in full by recovery; the real charge is not known
  tenant_id    bigint not null,
  team_id      bigint,
  key_id       bigint not null,
  price_id     bigint not null,
  route        text,
  amount       bigint not null check (amount >= 0),
  actual       bigint check (actual >= 0),
  periods      bigint[] not null,                 -- period rows that carry it, ascending
  gateway      uuid not null,
  taken_at     timestamptz not null,              -- what the period was computed from
  created_at   timestamptz not null default now(),
  settled_at   timestamptz,
  primary key (request_id, step, attempt),
  check ((state = 's') = (actual is not null))
) with (fillfactor = 50);
create index holds_created on holds using brin (created_at);

create table ledger_entries (
  id                  bigint generated always as identity primary key,
  at                  timestamptz not null default now(),
  taken_at            timestamptz not null,       -- the hold's: reports count a call where its hold counted
  tenant_id           bigint not null,
  team_id             bigint,
  key_id              bigint not null,
  route               text,
  request_id          uuid not null,
  step                smallint not null,
  attempt             smallint not null,
  kind                text not null check (kind in ('charge', 'release', 'estimate', 'unreconciled', 'adjustment')),
  outcome             text check (outcome in ('completed', 'estimated', 'failed')),
  held                bigint not null,
  amount              bigint not null,            -- negative only for adjustments
  price_id            bigint not null,
  input_tokens        bigint,
  cached_input_tokens bigint,
  output_tokens       bigint,
  reasoning_tokens    bigint,
  provider_request_id text,
  periods             bigint[] not null,
  check (amount >= 0 or kind = 'adjustment')
);
create index ledger_entries_report on ledger_entries (tenant_id, taken_at)
  include (price_id, key_id, team_id, amount);

-- One row a ledger entry: why the call was made. seq has no gaps and follows commit order in each tenant.
create table escalations (
  tenant_id         bigint not null,
  seq               bigint not null,
  at                timestamptz not null default now(),
  entry_id          bigint not null,
  entry_kind        text not null,
  request_id        uuid not null,
  step              smallint not null,
  attempt           smallint not null,
  team_id           bigint,
  key_id            bigint not null,
  route             text,
  price_id          bigint not null,
  held              bigint not null,
  amount            bigint not null,
  outcome           text,
  kind              text not null check (kind in ('step', 'rest', 'direct', 'unknown')),
  reward_raw        float8,
  reward_calibrated float8,
  shadow_price      float8,
  actions           jsonb not null default '[]',
  reason            text not null,
  slm_sha256        text,
  prm_sha256        text,
  prompt_hash       text,
  answer_hash       text,
  gateway           uuid not null,
  primary key (tenant_id, seq)
);
create table escalation_counters (
  tenant_id bigint primary key,
  seq       bigint not null
) with (fillfactor = 20);

-- What other systems are to hear of; written in the transaction that it tells about.
create table outbox (
  id        bigint generated always as identity primary key,
  at        timestamptz not null default now(),
  tenant_id bigint not null,
  kind      text not null,
  payload   jsonb not null
);

create trigger append_only before update or delete or truncate on ledger_entries
  for each statement execute function gboost_append_only();
create trigger append_only before update or delete or truncate on escalations
  for each statement execute function gboost_append_only();

-- Finished requests, for reports; no money is decided by them. Partitions by month (UTC), dropped as a whole.
create table requests (
  id                uuid not null,
  started_at        timestamptz not null,
  tenant_id         bigint not null,
  team_id           bigint,
  key_id            bigint not null,
  model             text not null,
  route             text,
  served_by         text,
  status            int not null,
  steps             int not null,
  escalations       int not null,
  degraded          text,
  slm_input_tokens  bigint not null,
  slm_output_tokens bigint not null,
  cost_n            bigint not null,
  milliseconds      bigint not null,
  primary key (id, started_at)
) partition by range (started_at);
create index requests_tenant on requests (tenant_id, started_at);
create table requests_default partition of requests default;

-- Makes the partitions of this month and the next ones; leaves a month alone whose rows already went to the
-- default partition.
create function gboost_ensure_partitions(p_months int default 3) returns int language plpgsql as $$
declare
  first date;  made int := 0;  child text;
begin
  perform pg_advisory_xact_lock(7161021, 2);
  for i in 0 .. p_months loop
    first := (date_trunc('month', now() at time zone 'UTC') + make_interval(months => i))::date;
    child := 'requests_' || to_char(first, 'YYYYMM');
    continue when to_regclass(child) is not null;
    begin
      execute format('create table %I partition of requests for values from (%L) to (%L)', child,
        first::text || ' 00:00:00+00', (first + interval '1 month')::date::text || ' 00:00:00+00');
      made := made + 1;
    exception when check_violation then
      raise warning 'requests of % stay in the default partition', to_char(first, 'YYYY-MM');
    end;
  end loop;
  return made;
end $$;
select gboost_ensure_partitions();
