-- Ends many orphans in one commit, each as gboost_recover does, with its verdict: a gateway that answered thousands of
-- calls leaves as many holds, and a commit each took its successor minutes.
--
-- One gateway does it at a time: two would only wait for each other's rows. Lock order as everywhere: holds (by key),
-- period rows (by id), escalation counters (by tenant).
create function gboost_recover_many(
  p_requests uuid[], p_steps smallint[], p_attempts smallint[], p_self uuid, p_journal uuid, p_ttl interval)
returns text[] language plpgsql as $$
declare
  verdicts text[] := '{}';
begin
  perform pg_advisory_xact_lock(7161021, 9);
  perform from holds h join unnest(p_requests, p_steps, p_attempts) u(request, step, attempt)
      on h.request_id = u.request and h.step = u.step and h.attempt = u.attempt
    order by h.request_id, h.step, h.attempt for no key update of h;
  perform from budget_periods p where p.id in (
      select unnest(h.periods || h.request_limits || h.token_limits || h.parallel_limits)
        from holds h join unnest(p_requests, p_steps, p_attempts) u(request, step, attempt)
          on h.request_id = u.request and h.step = u.step and h.attempt = u.attempt)
    order by p.id for no key update;
  perform from escalation_counters c where c.tenant_id in (
      select h.tenant_id from holds h join unnest(p_requests, p_steps, p_attempts) u(request, step, attempt)
          on h.request_id = u.request and h.step = u.step and h.attempt = u.attempt)
    order by c.tenant_id for no key update;
  for i in 1 .. cardinality(p_requests) loop
    verdicts := verdicts || gboost_recover(p_requests[i], p_steps[i], p_attempts[i], p_self, p_journal, p_ttl);
  end loop;
  return verdicts;
end $$;
