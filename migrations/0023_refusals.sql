-- Paid calls that were wanted and not made: each a record, in a log of its own beside the tenant's escalations.
--
-- A request leaves them in an inbox, in the statement that records the request: no lock, no counter, no round trip of
-- their own, so that a tenant without budget holds up nobody's settlement however often it asks. The sealer takes them
-- out, numbers them and seals them. Of one request there are 32 at most; retention drops them with the escalations.

alter domain audit_log drop constraint audit_log_check;
alter domain audit_log add constraint audit_log_check check (value in ('escalations', 'refusals', 'events'));

-- From where an administrative action came, as the command or the gateway says, and as the server sees it.
alter table events add column origin text;

create table refusal_inbox (
  id                bigint generated always as identity primary key,
  tenant_id         bigint not null,
  refused_at        timestamptz not null,
  request_id        uuid not null,
  step              smallint not null,
  attempt           smallint not null,
  team_id           bigint,
  key_id            bigint not null,
  route             text,
  model             text not null,                -- provider/model
  kind              escalation_kind not null,
  refusal           text not null,
  price_id          bigint,                       -- nothing below is known of every call
  wanted            bigint,                       -- what a hold would have been
  more              int,                          -- how many of the same request are not listed
  reward_raw        float8,
  reward_calibrated float8,
  shadow_price      float8,
  actions           jsonb not null default '[]',
  reason            text not null,
  slm_sha256        text,
  prm_sha256        text,
  prompt_hash       text,
  gateway           uuid not null
);

-- As the sealer numbered them: at is when it did, so that it rises with seq whenever the call was refused.
create table refusals (
  tenant_id         bigint not null,
  seq               bigint not null,
  at                timestamptz not null,
  refused_at        timestamptz not null,
  request_id        uuid not null,
  step              smallint not null,
  attempt           smallint not null,
  team_id           bigint,
  key_id            bigint not null,
  route             text,
  model             text not null,
  kind              escalation_kind not null,
  refusal           text not null,
  price_id          bigint,
  wanted            bigint,
  more              int,
  reward_raw        float8,
  reward_calibrated float8,
  shadow_price      float8,
  actions           jsonb not null default '[]',
  reason            text not null,
  slm_sha256        text,
  prm_sha256        text,
  prompt_hash       text,
  gateway           uuid not null,
  primary key (tenant_id, seq, at)
) partition by range (at);
create table refusals_default partition of refusals default;

create table refusal_counters (
  tenant_id bigint primary key,
  seq       bigint not null
) with (fillfactor = 20);

create trigger append_only before update or delete on refusals for each row execute function gboost_append_only();
create trigger append_only_truncate before truncate on refusals
  for each statement execute function gboost_append_only();
create trigger append_only_truncate before truncate on refusals_default
  for each statement execute function gboost_append_only();

grant select, insert, delete on refusal_inbox to gboost_app;
grant select, insert on refusals to gboost_app;
grant select, insert, update on refusal_counters to gboost_app;
grant usage on all sequences in schema public to gboost_app;

do $$
declare
  r text;
begin
  foreach r in array array['refusal_inbox', 'refusals', 'refusal_counters'] loop
    execute format('alter table %I enable row level security', r);
    execute format('create policy app on %I to gboost_app using (true) with check (true)', r);
    execute format('create policy tenant on %I for select to gboost_tenant
      using (tenant_id = (select gboost_tenant_id()))', r);
    execute format('grant select on %I to gboost_tenant', r);
  end loop;
end $$;

-- Numbers what is in the inbox, the oldest first. For the sealer, which holds its lock.
create function gboost_number_refusals(p_limit int) returns int language sql as $$
  with taken as (
    delete from refusal_inbox where id in (select id from refusal_inbox order by id limit p_limit) returning *),
  counted as (
    insert into refusal_counters as c (tenant_id, seq) select tenant_id, count(*) from taken group by 1 order by 1
      on conflict (tenant_id) do update set seq = c.seq + excluded.seq
      returning c.tenant_id, c.seq),
  numbered as (
    insert into refusals (tenant_id, seq, at, refused_at, request_id, step, attempt, team_id, key_id, route, model, kind,
      refusal, price_id, wanted, more, reward_raw, reward_calibrated, shadow_price, actions, reason, slm_sha256,
      prm_sha256, prompt_hash, gateway)
    select t.tenant_id,
      c.seq + row_number() over (partition by t.tenant_id order by t.id) - count(*) over (partition by t.tenant_id),
      (select clock_timestamp()), refused_at, request_id, step, attempt, team_id, key_id, route, model, kind, refusal,
      price_id, wanted, more, reward_raw, reward_calibrated, shadow_price, actions, reason, slm_sha256, prm_sha256,
      prompt_hash, gateway
    from taken t join counted c using (tenant_id)
    returning 1)
  select count(*)::int from numbered
$$;

-- As in 0010, and refusals.
create or replace function gboost_ensure_partitions(p_months int default 3, p_from timestamptz default now()) returns int
language plpgsql security definer set search_path from current as $$
declare
  first date;  made int := 0;  child text;  parent text;
begin
  perform pg_advisory_xact_lock(7161021, 2);
  foreach parent in array array['requests', 'escalations', 'refusals'] loop
    for i in 0 .. p_months loop
      first := (date_trunc('month', p_from at time zone 'UTC') + make_interval(months => i))::date;
      child := parent || '_' || to_char(first, 'YYYYMM');
      continue when to_regclass(child) is not null;
      begin
        execute format('create table %I partition of %I for values from (%L) to (%L)', child, parent,
          first::text || ' 00:00:00+00', (first + interval '1 month')::date::text || ' 00:00:00+00');
        if parent <> 'requests' then
          execute format('create trigger append_only_truncate before truncate on %I
            for each statement execute function gboost_append_only()', child);
        end if;
        made := made + 1;
      exception when check_violation then
        raise warning '% of % stay in the default partition', parent, to_char(first, 'YYYY-MM');
      end;
    end loop;
  end loop;
  return made;
end $$;
select gboost_ensure_partitions();

-- As in 0016; refusals are kept as long as escalations, and the event has their numbers under a name of their own.
create or replace function gboost_expire(p_holds interval default '35 days', p_now timestamptz default now(), p_limit int default 20000)
returns text[] language plpgsql security definer set search_path from current set lock_timeout = '1s' as $$
declare
  r record;  dropped text[] := '{}';  oldest date;  lasts jsonb;  sealed boolean;
begin
  p_now := least(p_now, now());
  p_holds := greatest(p_holds, interval '1 day');
  perform pg_advisory_xact_lock(7161021, 2);
  for r in select e.relation, e.months, c.relname::text as child
             from (select relation, months from retention
                   union all select 'refusals', months from retention where relation = 'escalations') e
             join pg_inherits i on i.inhparent = e.relation::regclass join pg_class c on c.oid = i.inhrelid
            where c.relname ~ '_[0-9]{6}$' order by c.relname loop
    oldest := (date_trunc('month', p_now at time zone 'UTC') - make_interval(months => r.months))::date;
    continue when to_date(right(r.child, 6), 'YYYYMM') >= oldest;
    lasts := null;
    if r.relation <> 'requests' then
      execute format('select jsonb_object_agg(x.tenant_id, x.seq), bool_and(coalesce(b.last_seq, 0) >= x.seq)
        from (select tenant_id, max(seq) as seq from %I group by 1) x
        left join lateral (select b.last_seq from audit_blocks b where b.log = %L
          and b.tenant_id = x.tenant_id order by b.number desc limit 1) b on true', r.child, r.relation)
        into lasts, sealed;
      continue when not sealed;
    end if;
    execute format('drop table %I', r.child);
    insert into events (actor, action, subject, before, after)
      values ('retention', 'partition.drop', r.child, jsonb_build_object('months', r.months),
        jsonb_build_object(case r.relation when 'refusals' then 'last_refusals' else 'last' end, lasts));
    dropped := dropped || r.child;
  end loop;
  delete from holds h where h.ctid = any (array(
    select g.ctid from holds g where g.created_at < p_now - p_holds and g.state in ('s', 'v') and not g.unreconciled
     limit p_limit));
  delete from budget_periods p using budgets b
   where b.cycle = 'minute' and p.id >= b.id * 100000000 and p.held = 0
     and p.id < b.id * 100000000 + floor(extract(epoch from p_now) / 60)::bigint % 100000000 - 120;
  return dropped;
end $$;
