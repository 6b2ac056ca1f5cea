-- A route without an SLM says that it is direct: one that says nothing is stepwise.
alter table routes drop constraint routes_slm_check;
alter table routes add constraint routes_slm_check
  check (slm is not null or coalesce(settings ->> 'strategy', '') = 'direct');
