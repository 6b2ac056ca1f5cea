-- Texts of paid calls, of tenants that want them kept: encrypted by the gateway with a key that the database never sees,
-- and for so many days. No part of the audit: there stand their keyed hashes, which tell whether a text is the one.

alter table tenants add column capture_days int check (capture_days between 1 and 3650);   -- null: no text is kept

create table escalation_texts (
  tenant_id  bigint not null,
  request_id uuid not null,
  step       smallint not null,
  attempt    smallint not null,
  at         timestamptz not null default now(),
  expires_at timestamptz not null,
  key_id     text not null,                       -- which key, not the key
  prompt     bytea not null,                      -- nonce, ciphertext and tag of AES-GCM, bound to the call
  answer     bytea not null,
  is_cut     boolean not null,                    -- longer than what is kept
  primary key (tenant_id, request_id, step, attempt)
);
alter table escalation_texts alter column prompt set storage external,
  alter column answer set storage external;       -- ciphertext does not compress
create index escalation_texts_expiry on escalation_texts (expires_at);

grant select, insert on escalation_texts to gboost_app;
alter table escalation_texts enable row level security;
create policy app on escalation_texts to gboost_app using (true) with check (true);
create policy tenant on escalation_texts for select to gboost_tenant
  using (tenant_id = (select gboost_tenant_id()));
grant select on escalation_texts to gboost_tenant;

-- Drops texts whose time is over. With the owner's rights: a gateway can drop no others.
create function gboost_expire_texts(p_limit int default 20000) returns int
language plpgsql security definer set search_path from current as $$
declare
  n int;
begin
  delete from escalation_texts t where t.ctid = any (array(
    select x.ctid from escalation_texts x where x.expires_at < now() order by x.expires_at limit p_limit));
  get diagnostics n = row_count;
  return n;
end $$;
revoke execute on function gboost_expire_texts(int) from public;
grant execute on function gboost_expire_texts(int) to gboost_app;
