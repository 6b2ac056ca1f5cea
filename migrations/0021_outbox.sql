-- Events on their way: who wants to hear of what, what is still to be sent, and what was given up.
--
-- An event that somebody wants has a row in deliveries for each of its destinations, made in the transaction that it
-- tells about; one that nobody wants has none. So delivery never searches the outbox, whose bulk are rows of
-- settlements. Settlements themselves are read by their record numbers, which have no gaps and follow commit order:
-- a destination that wants them has a cursor a tenant, and one that does not costs nothing.

-- Null: an event of the operator's, not of a tenant's.
alter table outbox alter column tenant_id drop not null;

create table destinations (
  id           bigint generated always as identity primary key,
  tenant_id    bigint references tenants,         -- null: the operator's, who hears of every tenant
  name         text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
  kind         text not null check (kind in ('webhook', 'slack', 'email', 'cloudevents', 'lago')),
  target       text not null check (length(target) between 1 and 2000),   -- a URL, or where it stands; no secret
  secrets      text[] not null default '{}',      -- where they stand: env:NAME or file:/path
  kinds        text[] not null check (cardinality(kinds) > 0),            -- of events that it wants
  settings     jsonb not null default '{}',
  created_at   timestamptz not null default now(),
  paused_at    timestamptz,
  paused_why   text,
  -- What moves. One gateway at a time works on a destination: the one that has the lease.
  lease_owner  uuid,
  lease_until  timestamptz,
  retry_at     timestamptz,                       -- after a failure: nothing is sent before
  usage_at     timestamptz,                       -- when settlements are next looked for
  delivered    bigint not null default 0,
  failed       bigint not null default 0,
  delivered_at timestamptz
) with (fillfactor = 50);
create unique index destinations_name on destinations (coalesce(tenant_id, 0), name);

create table deliveries (
  id             bigint generated always as identity primary key,   -- the order in which a destination gets them
  destination_id bigint not null references destinations on delete cascade,
  of_tenant      bigint,                          -- whom it is about; null: nobody in particular
  outbox_id      bigint,
  first_seq      bigint,                          -- or settlements, by their record numbers
  last_seq       bigint,
  queued_at      timestamptz not null,
  attempts       int not null default 0,
  refusals       int not null default 0,
  tried_at       timestamptz,
  last_error     text,
  dead_at        timestamptz,                     -- given up: waits for a person
  check ((outbox_id is null) = (first_seq is not null)),
  check (first_seq is null or of_tenant is not null and last_seq >= first_seq)
);
create index deliveries_pending on deliveries (destination_id, id) where dead_at is null;
create index deliveries_dead on deliveries (destination_id, id) where dead_at is not null;
create index deliveries_outbox on deliveries (outbox_id) where outbox_id is not null;

-- Up to which of a tenant's records a destination was given settlements.
create table usage_cursors (
  destination_id bigint not null references destinations on delete cascade,
  of_tenant      bigint not null,
  seq            bigint not null,
  primary key (destination_id, of_tenant)
) with (fillfactor = 50);

-- What was told of and is not told again: for good, or until it has been over (cleared) and comes back.
create table outbox_marks (
  key        text primary key,
  raised_at  timestamptz not null,
  cleared_at timestamptz
);
create index outbox_marks_age on outbox_marks (raised_at);

grant select, insert, update, delete on destinations, deliveries, usage_cursors, outbox_marks to gboost_app;
grant usage on all sequences in schema public to gboost_app;
alter table destinations enable row level security;
create policy app on destinations to gboost_app using (true) with check (true);
create policy tenant on destinations for select to gboost_tenant using (tenant_id = (select gboost_tenant_id()));
grant select on destinations to gboost_tenant;

-- Writes an event and queues it for everybody who wants it. p_once: a name under which it is told once only.
-- Null: it was told before.
create function gboost_tell(p_tenant bigint, p_kind text, p_payload jsonb, p_once text default null,
  p_now timestamptz default null)
returns bigint language plpgsql as $$
declare
  told bigint;  v_at timestamptz := coalesce(p_now, now());
begin
  if p_once is not null then
    insert into outbox_marks (key, raised_at) values ('once:' || p_once, v_at) on conflict do nothing;
    if not found then return null; end if;
  end if;
  insert into outbox (at, tenant_id, kind, payload) values (v_at, p_tenant, p_kind, p_payload) returning id into told;
  insert into deliveries (destination_id, of_tenant, outbox_id, queued_at)
    select d.id, p_tenant, told, v_at from destinations d
     where (d.tenant_id = p_tenant or d.tenant_id is null) and p_kind = any (d.kinds) order by d.id;
  if found then notify gboost_outbox; end if;
  return told;
end $$;

-- Tells the operator that something began, unless that was told and is not over. What comes and goes is told of at most
-- once a minute.
create function gboost_raise(p_key text, p_kind text, p_payload jsonb, p_now timestamptz default null)
returns bigint language plpgsql as $$
declare
  v_at timestamptz := coalesce(p_now, now());
begin
  insert into outbox_marks as m (key, raised_at) values (p_key, v_at)
    on conflict (key) do update set raised_at = excluded.raised_at, cleared_at = null
     where m.cleared_at is not null and m.raised_at <= v_at - interval '1 minute';
  if not found then return null; end if;
  return gboost_tell(null, p_kind, p_payload, null, p_now);
end $$;

-- Tells the operator that it is over, if it was told that it began.
create function gboost_clear(p_key text, p_kind text, p_payload jsonb, p_now timestamptz default null)
returns bigint language plpgsql as $$
declare
  since timestamptz;
begin
  update outbox_marks m set cleared_at = coalesce(p_now, now()) where m.key = p_key and m.cleared_at is null
    returning m.raised_at into since;
  if not found then return null; end if;
  return gboost_tell(null, p_kind, p_payload || jsonb_build_object('since', since), null, p_now);
end $$;

-- Raises audit.lag where the oldest record that is not sealed is older than p_limit, and clears it where none is.
-- Nobody who wants to hear of it: it is not looked for.
create function gboost_watch_audit(p_limit interval, p_now timestamptz default null) returns void
language plpgsql as $$
declare
  lag interval;
begin
  if not exists (select from destinations d where d.tenant_id is null and 'audit.lag' = any (d.kinds)) then
    return;
  end if;
  select coalesce(max(coalesce(p_now, now()) - e.at), interval '0') into lag
    from escalation_counters c
    left join lateral (select b.last_seq from audit_blocks b where b.log = 'escalations' and b.tenant_id = c.tenant_id
      order by b.number desc limit 1) b on true
    cross join lateral (select e.at from escalations e where e.tenant_id = c.tenant_id
      and e.seq > coalesce(b.last_seq, 0) order by e.seq, e.at limit 1) e
   where c.seq > coalesce(b.last_seq, 0);
  if lag > p_limit then
    perform gboost_raise('audit.lag', 'audit.lag', jsonb_build_object('lag_seconds',
      floor(extract(epoch from lag)), 'limit_seconds', floor(extract(epoch from p_limit))), p_now);
  else
    perform gboost_clear('audit.lag', 'audit.sealed', '{}', p_now);
  end if;
end $$;

-- Whether a destination has settlements to be told of.
create function gboost_has_usage(p_destination bigint, p_tenant bigint) returns boolean language sql stable as $$
  select case when p_tenant is not null then exists (
      select from escalation_counters c left join usage_cursors u
          on u.destination_id = p_destination and u.of_tenant = c.tenant_id
       where c.tenant_id = p_tenant and c.seq > coalesce(u.seq, 0))
    else exists (
      select from escalation_counters c left join usage_cursors u
          on u.destination_id = p_destination and u.of_tenant = c.tenant_id
       where c.seq > coalesce(u.seq, 0)) end
$$;

-- Takes destinations that have something due and that nobody works on. The longest left alone come first.
create function gboost_claim_destinations(p_owner uuid, p_lease interval, p_limit int, p_now timestamptz default null)
returns setof destinations language sql as $$
  update destinations d set lease_owner = p_owner, lease_until = coalesce(p_now, now()) + p_lease
   where d.id = any (array(
     select x.id from destinations x
      where x.paused_at is null and coalesce(x.lease_until, '-infinity') <= coalesce(p_now, now())
        and coalesce(x.retry_at, '-infinity') <= coalesce(p_now, now())
        and (exists (select from deliveries v where v.destination_id = x.id and v.dead_at is null)
          or 'usage' = any (x.kinds) and coalesce(x.usage_at, '-infinity') <= coalesce(p_now, now())
            and gboost_has_usage(x.id, x.tenant_id))
      order by x.lease_until nulls first, x.id limit p_limit for no key update skip locked))
  returning d.*
$$;

-- Queues settlements that were recorded since, at most p_records a tenant and p_tenants tenants. What is queued
-- together stays together, so that a repeated batch is the same batch. Only for who has the lease.
create function gboost_queue_usage(p_destination bigint, p_owner uuid, p_records int, p_tenants int,
  p_every interval, p_now timestamptz default null)
returns int language plpgsql as $$
declare
  d destinations;  queued int;  is_full boolean;
begin
  select * into d from destinations x where x.id = p_destination and x.lease_owner = p_owner for no key update;
  if not found or 'usage' <> all (d.kinds) or d.usage_at > coalesce(p_now, now()) then return 0; end if;
  with behind as (
    select c.tenant_id, coalesce(u.seq, 0) as seen, least(c.seq, coalesce(u.seq, 0) + p_records) as up_to, c.seq
      from escalation_counters c left join usage_cursors u
        on u.destination_id = d.id and u.of_tenant = c.tenant_id
     where (d.tenant_id is null or c.tenant_id = d.tenant_id) and c.seq > coalesce(u.seq, 0)
     order by c.tenant_id limit p_tenants),
  queue as (
    insert into deliveries (destination_id, of_tenant, first_seq, last_seq, queued_at)
    select d.id, tenant_id, seen + 1, up_to, coalesce(p_now, now()) from behind order by tenant_id),
  moved as (
    insert into usage_cursors as u (destination_id, of_tenant, seq) select d.id, tenant_id, up_to from behind
    on conflict (destination_id, of_tenant) do update set seq = excluded.seq)
  select count(*), coalesce(bool_or(up_to < seq), false) or count(*) = p_tenants into queued, is_full from behind;
  -- What trickles in is gathered for a while, so that batches are worth sending.
  if not is_full then
    update destinations x set usage_at = coalesce(p_now, now()) + p_every where x.id = d.id;
  end if;
  return queued;
end $$;

-- A delivery has arrived. False: the lease was lost meanwhile, and the caller must stop.
create function gboost_delivered(p_delivery bigint, p_destination bigint, p_owner uuid, p_lease interval,
  p_now timestamptz default null)
returns boolean language plpgsql as $$
begin
  delete from deliveries v where v.id = p_delivery;
  update destinations d
     set delivered = d.delivered + 1, delivered_at = coalesce(p_now, now()),
         retry_at = case when d.lease_owner = p_owner then null else d.retry_at end,
         lease_until = case when d.lease_owner = p_owner then coalesce(p_now, now()) + p_lease else d.lease_until end
   where d.id = p_destination;
  return exists (select from destinations d where d.id = p_destination and d.lease_owner = p_owner);
end $$;

-- A delivery has not arrived. p_wait: until the next try; null: it is given up. p_pause: nothing more is sent there.
create function gboost_not_delivered(p_delivery bigint, p_destination bigint, p_owner uuid, p_error text,
  p_is_refusal boolean, p_wait interval, p_pause boolean, p_now timestamptz default null)
returns boolean language plpgsql as $$
begin
  update destinations d
     set failed = d.failed + 1, retry_at = coalesce(p_now, now()) + p_wait,
         paused_at = case when p_pause then coalesce(p_now, now()) else d.paused_at end,
         paused_why = case when p_pause then p_error else d.paused_why end
   where d.id = p_destination and d.lease_owner = p_owner;
  if not found then return false; end if;
  update deliveries v
     set attempts = v.attempts + 1, refusals = v.refusals + p_is_refusal::int, last_error = left(p_error, 500),
         tried_at = coalesce(p_now, now()), dead_at = case when p_wait is null then coalesce(p_now, now()) end
   where v.id = p_delivery;
  return true;
end $$;

create function gboost_release_destination(p_destination bigint, p_owner uuid, p_now timestamptz default null)
returns void language sql as $$
  update destinations d set lease_owner = null, lease_until = coalesce(p_now, now())
   where d.id = p_destination and d.lease_owner = p_owner
$$;

-- When there is something to do next, as far as is known; null: only when something happens.
create function gboost_next_delivery(p_every interval, p_now timestamptz default null) returns timestamptz
language sql stable as $$
  select min(case
    when exists (select from deliveries v where v.destination_id = d.id and v.dead_at is null)
      then greatest(d.retry_at, d.lease_until, coalesce(p_now, now()))
    when d.usage_at > coalesce(p_now, now()) then d.usage_at
    else coalesce(p_now, now()) + p_every end)
    from destinations d
   where d.paused_at is null and ('usage' = any (d.kinds)
     or exists (select from deliveries v where v.destination_id = d.id and v.dead_at is null))
$$;

-- Drops what is older than p_age: told events, rows of settlements, dead letters, and what a paused destination never
-- got. Gateways call it with the owner's rights: it drops nothing that is younger than a day or still to be sent.
-- Gives back how many outbox rows it dropped; p_limit of them: there may be more.
create function gboost_sweep_outbox(p_age interval, p_limit int default 20000, p_now timestamptz default now())
returns bigint language plpgsql security definer set search_path from current as $$
declare
  before timestamptz := least(p_now, now()) - greatest(p_age, interval '1 day');  dropped bigint;
begin
  delete from deliveries v using destinations d
   where v.destination_id = d.id and (v.dead_at < before or d.paused_at < before and v.queued_at < before);
  -- Longer than any budget's period that ends, so that what is told once a period is not told twice.
  delete from outbox_marks m where m.raised_at < before - interval '400 days'
    and (m.cleared_at is not null or m.key like 'once:%');
  -- The first rows by number are the oldest: no index on their time is needed. Where the first is young, all are.
  if (select o.at from outbox o order by o.id limit 1) >= before then return 0; end if;
  delete from outbox o where o.id = any (array(
      select x.id from (select id, at from outbox order by id limit p_limit) x where x.at < before))
    and not exists (select from deliveries v where v.outbox_id = o.id);
  get diagnostics dropped = row_count;
  return dropped;
end $$;
revoke execute on function gboost_sweep_outbox(interval, int, timestamptz) from public;
grant execute on function gboost_sweep_outbox(interval, int, timestamptz) to gboost_app;

-- As in 0007, but told to those who want to hear of it.
create or replace function gboost_alert(p_period bigint) returns void language plpgsql as $$
declare
  p budget_periods;  b budgets;  percent smallint;
begin
  select * into p from budget_periods where id = p_period;
  if p.alert_at is null or p.settled < p.alert_at then return; end if;
  select * into strict b from budgets where id = p_period / 100000000;
  for percent in select t from unnest(b.thresholds) t
                  where t > p.alerted and p.settled >= greatest(1, ceil(t::numeric * p.target / 100)) order by t loop
    perform gboost_tell(b.tenant_id, 'budget.threshold', jsonb_build_object(
      'budget', b.id, 'period', p.id % 100000000, 'percent', percent, 'limit', p.target, 'settled', p.settled,
      'cycle', b.cycle, 'team_id', b.team_id, 'key_id', b.key_id, 'model', b.model_pattern, 'tag', b.tag));
    p.alerted := percent;
  end loop;
  update budget_periods q set alerted = p.alerted, alert_at = gboost_alert_at(b.thresholds, p.alerted, p.target)
   where q.id = p_period;
end $$;

-- As in 0009, but a hold that is posted in full without its charge being known is told of: the first of a tenant's in
-- a minute, as one dead gateway may leave hundreds.
create or replace function gboost_recover(
  p_request uuid, p_step smallint, p_attempt smallint, p_self uuid, p_journal uuid, p_ttl interval)
returns text language plpgsql as $$
declare
  h holds;
begin
  select * into h from holds where request_id = p_request and step = p_step and attempt = p_attempt
     for no key update;
  if not found or h.state not in ('r', 'd') then return 'finished'; end if;
  if not gboost_gateway_is_gone(h.gateway, p_self, p_journal, p_ttl) then return 'open'; end if;
  if h.state = 'r' then
    update holds set state = 'v', settled_at = now()
     where request_id = p_request and step = p_step and attempt = p_attempt;
    perform gboost_release(h, 0, 0, 0);
    return 'voided';
  end if;
  update holds set state = 's', unreconciled = true, actual = h.amount, settled_at = now()
   where request_id = p_request and step = p_step and attempt = p_attempt;
  perform gboost_release(h, h.amount, h.tokens, 1);
  perform gboost_post(h, 'unreconciled', null, h.amount, jsonb_build_object(
    'kind', case when h.route is null then 'direct' else 'unknown' end,
    'reason', 'recovered: the gateway was gone before the call was settled'), p_self);
  perform gboost_tell(h.tenant_id, 'holds.unreconciled', jsonb_build_object(
    'hold', h.request_id || '/' || h.step || '/' || h.attempt, 'amount', h.amount),
    'unreconciled:' || h.tenant_id || ':' || floor(extract(epoch from now()) / 60));
  return 'unreconciled';
end $$;
