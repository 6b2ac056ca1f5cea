-- Recovery that looks at the last minutes of a dead gateway, not at every hold of its life: a heartbeat says since when
-- the oldest of its open holds has been open. Whatever is open when it dies was taken then or later.

alter table gateways add column open_since timestamptz;

-- p_open_since: when the oldest open hold was taken, by this database's clock; null: none is open.
create function gboost_heartbeat(p_incarnation uuid, p_instance text, p_journal uuid, p_open_since timestamptz)
returns void language sql as $$
  insert into gateways (incarnation, instance, journal_id, open_since)
  values (p_incarnation, p_instance, p_journal, least(p_open_since, now()))
  on conflict (incarnation) do update
    set heartbeat_at = now(), stopped_at = null, recovered_at = null, open_since = excluded.open_since
$$;

-- Gateways that are gone and were not found to have left nothing behind; and when the first of their open holds can
-- have been taken. The margin is for calls whose settlements were under way, and for a clock that was set back.
create function gboost_gone(p_self uuid, p_journal uuid, p_ttl interval, p_margin interval)
returns table (incarnations uuid[], since timestamptz) language sql stable as $$
  select array_agg(incarnation), min(coalesce(open_since, started_at)) - p_margin from gateways
   where recovered_at is null and incarnation <> p_self
     and (stopped_at is not null or journal_id = p_journal or heartbeat_at < now() - p_ttl)
$$;

-- Open holds of gateways that are gone.
create function gboost_orphans(p_self uuid, p_journal uuid, p_ttl interval, p_margin interval, p_limit int)
returns table (request_id uuid, step smallint, attempt smallint) language plpgsql stable as $$
declare
  gone record;
begin
  select * into gone from gboost_gone(p_self, p_journal, p_ttl, p_margin);
  if gone.incarnations is null then return; end if;
  return query
    select h.request_id, h.step, h.attempt from holds h
     where h.created_at >= gone.since and h.state in ('r', 'd') and h.gateway = any (gone.incarnations)
     order by 1, 2, 3 limit p_limit;
end $$;

-- Lets recovery skip gateways that are gone for good. One that comes back is fenced until its next heartbeat. Called
-- when gboost_orphans finds nothing with the same margin.
create function gboost_mark_recovered(p_self uuid, p_journal uuid, p_ttl interval, p_margin interval) returns void
language plpgsql as $$
declare
  gone record;  busy uuid[];
begin
  select * into gone from gboost_gone(p_self, p_journal, p_ttl, p_margin);
  if gone.incarnations is null then return; end if;
  select array_agg(distinct h.gateway) into busy from holds h
   where h.created_at >= gone.since and h.state in ('r', 'd') and h.gateway = any (gone.incarnations);
  update gateways g set recovered_at = now()
   where g.incarnation = any (gone.incarnations) and g.incarnation <> all (coalesce(busy, '{}'))
     and (g.stopped_at is not null or g.heartbeat_at < now() - 10 * p_ttl or g.journal_id = p_journal);
end $$;
