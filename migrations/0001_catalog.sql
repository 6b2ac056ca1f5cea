-- Tenants, teams, keys, models, routes and prices: what a request is checked against.
-- Money is bigint nano-dollars, prices are bigint pico-dollars per token.

create table tenants (
  id           bigint generated always as identity primary key,
  name         text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  time_zone    text not null default 'UTC',       -- IANA name: budget periods are cut in it
  created_at   timestamptz not null default now(),
  suspended_at timestamptz,
  deleted_at   timestamptz                        -- rows stay, the ledger refers to them
);
create unique index tenants_name on tenants (name) where deleted_at is null;

create table teams (
  id         bigint generated always as identity primary key,
  tenant_id  bigint not null references tenants,
  name       text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  created_at timestamptz not null default now(),
  unique (tenant_id, name),
  unique (tenant_id, id)
);

create table api_keys (
  id         bigint generated always as identity primary key,
  tenant_id  bigint not null references tenants,
  team_id    bigint,
  name       text not null default '',
  prefix     text not null,                       -- first characters, for display only
  hash       bytea not null unique check (length(hash) = 32),  -- HMAC-SHA256 of the secret, keyed by the pepper
  created_at timestamptz not null default now(),
  rotated_at timestamptz,                         -- a new secret on the same row: the budget goes on
  expires_at timestamptz,
  revoked_at timestamptz,
  foreign key (tenant_id, team_id) references teams (tenant_id, id)
);
create index api_keys_tenant on api_keys (tenant_id);

create table models (
  id          bigint generated always as identity primary key,
  tenant_id   bigint not null references tenants,
  name        text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,126}$'),
  kind        text not null check (kind in ('slm', 'prm', 'adapter')),
  file        text not null,
  sha256      text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  bytes       bigint not null check (bytes >= 0),
  base        text,
  reward_kind text check (reward_kind in ('tokens', 'shared-head')),
  pinned      boolean not null default false,
  created_at  timestamptz not null default now(),
  unique (tenant_id, name),
  foreign key (tenant_id, base) references models (tenant_id, name),
  check ((kind = 'prm') = (reward_kind is not null)),
  check (base is not null or kind <> 'adapter' and reward_kind is distinct from 'shared-head')
);

create table routes (
  id           bigint generated always as identity primary key,
  tenant_id    bigint not null references tenants,
  name         text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,126}$'),
  slm          text not null,
  prm          text,
  llm_provider text not null,
  llm_model    text not null,
  settings     jsonb not null default '{}',
  created_at   timestamptz not null default now(),
  unique (tenant_id, name),
  foreign key (tenant_id, slm) references models (tenant_id, name),
  foreign key (tenant_id, prm) references models (tenant_id, name)
);

-- A price is never edited: a new version takes effect at effective_at. Ledger entries name the version.
create table prices (
  id                bigint generated always as identity primary key,
  provider          text not null,
  model             text not null,
  input_pico        bigint not null check (input_pico >= 0),
  cached_input_pico bigint check (cached_input_pico >= 0),
  output_pico       bigint not null check (output_pico >= 0),
  reasoning_pico    bigint check (reasoning_pico >= 0),
  per_call_nano     bigint not null default 0 check (per_call_nano >= 0),
  effective_at      timestamptz not null default now(),
  created_at        timestamptz not null default now(),
  unique (provider, model, effective_at)
);

-- Administrative actions.
create table events (
  id        bigint generated always as identity primary key,
  at        timestamptz not null default now(),
  tenant_id bigint,
  actor     text not null,
  action    text not null,
  subject   text not null,
  before    jsonb,
  after     jsonb
);
create index events_tenant on events (tenant_id, id);

create function gboost_append_only() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, tg_op using errcode = 'GB001';
end $$;
create trigger append_only before update or delete or truncate on prices
  for each statement execute function gboost_append_only();
create trigger append_only before update or delete or truncate on events
  for each statement execute function gboost_append_only();

-- Gateways keep a snapshot of the tables above and reload it when this number moves.
create table catalog_version (
  only_row boolean primary key default true check (only_row),
  version  bigint not null default 1
);
insert into catalog_version default values;

create function gboost_bump_catalog() returns trigger language plpgsql as $$
begin
  update catalog_version set version = version + 1;
  notify gboost_catalog;
  return null;
end $$;
create trigger bump_catalog after insert or update or delete on tenants
  for each statement execute function gboost_bump_catalog();
create trigger bump_catalog after insert or update or delete on teams
  for each statement execute function gboost_bump_catalog();
create trigger bump_catalog after insert or update or delete on api_keys
  for each statement execute function gboost_bump_catalog();
create trigger bump_catalog after insert or update or delete on models
  for each statement execute function gboost_bump_catalog();
create trigger bump_catalog after insert or update or delete on routes
  for each statement execute function gboost_bump_catalog();
create trigger bump_catalog after insert on prices
  for each statement execute function gboost_bump_catalog();
