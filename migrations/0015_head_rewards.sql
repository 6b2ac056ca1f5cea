-- A process reward model may be a head on another model than the route's SLM.

alter table models drop constraint models_reward_kind_check;
alter table models add constraint models_reward_kind_check
  check (reward_kind in ('tokens', 'shared-head', 'head'));
alter table models add constraint models_head_base_check
  check (base is not null or reward_kind is distinct from 'head');
