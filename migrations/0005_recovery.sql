-- Gateways' heartbeats, and the holds that a dead one leaves behind.

-- Registers a gateway, and says that it lives.
create function gboost_heartbeat(p_incarnation uuid, p_instance text, p_journal uuid) returns void
language sql as $$
  insert into gateways (incarnation, instance, journal_id) values (p_incarnation, p_instance, p_journal)
  on conflict (incarnation) do update set heartbeat_at = now(), stopped_at = null, recovered_at = null
$$;

create function gboost_stop_gateway(p_incarnation uuid) returns void language sql as $$
  update gateways set stopped_at = now() where incarnation = p_incarnation and stopped_at is null
$$;

-- Whether nobody can settle this gateway's holds any more: it said so, its journal has a new owner, or it has been
-- silent for longer than p_ttl. Never true of the caller itself.
create function gboost_gateway_is_gone(p_gateway uuid, p_self uuid, p_journal uuid, p_ttl interval) returns boolean
language sql stable as $$
  select p_gateway <> p_self and coalesce(
    (select g.stopped_at is not null or g.journal_id = p_journal or g.heartbeat_at < now() - p_ttl
       from gateways g where g.incarnation = p_gateway), false)
$$;

-- Open holds of gateways that are gone.
create function gboost_orphans(p_self uuid, p_journal uuid, p_ttl interval, p_limit int)
returns table (request_id uuid, step smallint, attempt smallint) language sql stable as $$
  with gone as (
    select g.incarnation from gateways g
     where g.recovered_at is null and gboost_gateway_is_gone(g.incarnation, p_self, p_journal, p_ttl))
  select h.request_id, h.step, h.attempt from holds h join gone on gone.incarnation = h.gateway
   where h.state in ('r', 'd')                    -- a day's margin for a clock that was set back
     and h.created_at >= (select min(started_at) - interval '1 day' from gateways where recovered_at is null)
   order by 1, 2, 3 limit p_limit
$$;

-- Lets recovery skip gateways that are gone for good. One that comes back is fenced until its next heartbeat.
create function gboost_mark_recovered(p_self uuid, p_journal uuid, p_ttl interval) returns void language sql as $$
  update gateways g set recovered_at = now()
   where g.recovered_at is null and gboost_gateway_is_gone(g.incarnation, p_self, p_journal, p_ttl)
     and (g.stopped_at is not null or g.heartbeat_at < now() - 10 * p_ttl or g.journal_id = p_journal)
     and not exists (select from holds h where h.gateway = g.incarnation and h.state in ('r', 'd')
                       and h.created_at >= g.started_at - interval '1 day')
$$;

-- Ends one orphan: never dispatched → voided; dispatched → posted in full, marked unreconciled.
-- verdict: voided · unreconciled · open (its gateway lives) · finished
create function gboost_recover(
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
    perform 1 from budget_periods p where p.id = any (h.periods) order by p.id for no key update;
    update budget_periods p set held = p.held - h.amount, lim = greatest(p.target, p.settled + p.held - h.amount)
     where p.id = any (h.periods);
    return 'voided';
  end if;
  update holds set state = 's', unreconciled = true, actual = h.amount, settled_at = now()
   where request_id = p_request and step = p_step and attempt = p_attempt;
  perform gboost_post(h, 'unreconciled', null, h.amount, h.amount, null, null, jsonb_build_object(
    'kind', case when h.route is null then 'direct' else 'unknown' end,
    'reason', 'recovered: the gateway was gone before the call was settled'), p_self);
  return 'unreconciled';
end $$;
