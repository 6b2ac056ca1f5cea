-- Two holes: what idle periods pass on was priced by a budget as it is after a change, and of many tenants with
-- settlements to be told of, those with the smallest ids left no turn to the others.

-- Changes a limit: at once for the open period and those to come, never below what is settled and held, never for
-- periods that are over. The caller writes the event.
--
-- As in 0007, but the running period is opened first, by the limit from before: periods without a row are priced when
-- the next one opens, and those that are over must not pass on what they never had.
create or replace function gboost_set_limit(p_budget bigint, p_limit bigint, p_now timestamptz default null)
returns void language plpgsql as $$
declare
  v_at timestamptz := coalesce(p_now, now());  v_tenant bigint;
begin
  select t.id into v_tenant from tenants t join budgets b on b.tenant_id = t.id where b.id = p_budget
    for no key update of t;
  perform gboost_open_periods(v_tenant, v_at, p_budget => p_budget);
  update budgets b set limit_n = p_limit where b.id = p_budget;
  if not found then raise exception 'no budget %', p_budget using errcode = '22023'; end if;
  perform gboost_refresh_periods(p_budget, v_at);
end $$;

-- Queues settlements that were recorded since, at most p_records a tenant and p_tenants tenants. What is queued
-- together stays together, so that a repeated batch is the same batch. Only for who has the lease.
--
-- As in 0021, but who is furthest behind comes first: by id, tenants that always have something to tell would keep the
-- turns of those after them; like this, who has to wait falls behind further, until it is chosen.
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
