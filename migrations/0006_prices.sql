-- Prices as providers really charge: cache writes, images, tiers by prompt size, batch discount.

alter table prices
  add column cache_write_5m_pico bigint check (cache_write_5m_pico >= 0),   -- null: as input
  add column cache_write_1h_pico bigint check (cache_write_1h_pico >= 0),   -- null: as the five-minute write
  add column per_image_nano      bigint not null default 0 check (per_image_nano >= 0),
  add column batch_percent       smallint not null default 100 check (batch_percent between 0 and 100),
  add column source              text;            -- the file that it was imported from; null: set by hand

-- Rates of a call whose prompt has more than above_input_tokens; the highest such tier counts for all its tokens.
create table price_tiers (
  price_id            bigint not null references prices,
  above_input_tokens  bigint not null check (above_input_tokens > 0),
  input_pico          bigint not null check (input_pico >= 0),
  cached_input_pico   bigint check (cached_input_pico >= 0),
  cache_write_5m_pico bigint check (cache_write_5m_pico >= 0),
  cache_write_1h_pico bigint check (cache_write_1h_pico >= 0),
  output_pico         bigint not null check (output_pico >= 0),
  reasoning_pico      bigint check (reasoning_pico >= 0),
  primary key (price_id, above_input_tokens)
);
create trigger append_only before update or delete or truncate on price_tiers
  for each statement execute function gboost_append_only();
