-- Ids of events do not repeat. They were numbers, and numbers go back with a database that is restored: what happened
-- then had ids that receivers had seen with something else, and one that keeps the ids it has seen dropped it.

-- What receivers are told as the id of an event, or of a batch of settlements. Null: it was queued when ids were the
-- numbers alone, and keeps them. It may have arrived already, its answer lost.
alter table deliveries add column event_id text;

-- Tells a record from every other one that ever has its number: 16 hexadecimal digits of a hash over its call and what
-- was posted for it.
create function gboost_record_mark(p_request uuid, p_step smallint, p_attempt smallint, p_kind text, p_amount bigint)
returns text language sql stable as $$
  select left(encode(sha256(convert_to(
    p_request::text || '/' || p_step || '/' || p_attempt || '/' || p_kind || '/' || p_amount, 'UTF8')), 'hex'), 16)
$$;

-- The id of a batch: its tenant, the numbers that it spans, and a hash over the marks of its records. The planner
-- setting pins the search to the records' index.
create function gboost_batch_id(p_tenant bigint, p_first bigint, p_last bigint) returns text language plpgsql stable
set enable_seqscan = off as $$
begin
  return 'usage-' || p_tenant || '-' || p_first || '-' || p_last || '-' || (
    select left(encode(sha256(convert_to(coalesce(string_agg(
        gboost_record_mark(e.request_id, e.step, e.attempt, e.entry_kind, e.amount), ',' order by e.seq), ''),
        'UTF8')), 'hex'), 16)
      from escalations e where e.tenant_id = p_tenant and e.seq between p_first and p_last);
end $$;

-- As in 0021, with the id: the event's number and the moment at which it was raised, in microseconds since 1970.
create or replace function gboost_tell(p_tenant bigint, p_kind text, p_payload jsonb, p_once text default null,
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
  insert into deliveries (destination_id, of_tenant, outbox_id, event_id, queued_at)
    select d.id, p_tenant, told, 'event-' || told || '-' || (extract(epoch from v_at) * 1000000)::bigint, v_at
      from destinations d
     where (d.tenant_id = p_tenant or d.tenant_id is null) and p_kind = any (d.kinds) order by d.id;
  if found then notify gboost_outbox; end if;
  return told;
end $$;

-- Queues settlements that were recorded since, at most p_records a tenant and p_tenants tenants. What is queued
-- together stays together, so that a repeated batch is the same batch. Only for who has the lease.
--
-- As in 0030, with the id.
create or replace function gboost_queue_usage(p_destination bigint, p_owner uuid, p_records int, p_tenants int,
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
     order by c.seq - coalesce(u.seq, 0) desc, c.tenant_id limit p_tenants),
  queue as (
    insert into deliveries (destination_id, of_tenant, first_seq, last_seq, event_id, queued_at)
    select d.id, tenant_id, seen + 1, up_to, gboost_batch_id(tenant_id, seen + 1, up_to), coalesce(p_now, now())
      from behind order by tenant_id),
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
