-- Sweeping past minutes reads them by their ids: the planner, which cannot tell how few they are, read every period.
create index budgets_minutes on budgets (id) where cycle = 'minute';
alter function gboost_expire(interval, timestamptz, int)
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_material = off;
