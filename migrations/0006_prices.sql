-- Prices as providers really charge: cache writes, images, tiers by prompt size, batch discount.

alter table prices
  add column cache_write_5m_pico bigint check (cache_write_5m_pico >= 0),   -- null: as input
  add column cache_write_1h_pico bigint check (cache_write_1h_pico >= 0),   -- null: as the five-minute write
  add column per_image_nano      bigint not null default 0 check (per_image_nano >= 0),
  add column batch_percent       smallint not null default 100 check (batch_percent between 0 and 100),  -- of tokens
  add column source              text;            -- the file that it was imported from; null: set by hand

-- Rates of a call whose prompt has more than above_input_tokens; the highest such tier counts for all its tokens.
-- What a tier does not say is by its own rates, as in prices.
create table price_tiers (
  price_id            bigint not null,            -- no foreign key: the trigger below sees to it
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

-- A tier added later would change what a version's entries were charged by.
create function gboost_tier_with_its_price() returns trigger language plpgsql as $$
begin
  if not exists (select from prices p where p.id = new.price_id and p.created_at = now()) then
    raise exception 'tiers are added together with their price, not to one that is there' using errcode = 'GB001';
  end if;
  return new;
end $$;
create trigger with_its_price before insert on price_tiers
  for each row execute function gboost_tier_with_its_price();
