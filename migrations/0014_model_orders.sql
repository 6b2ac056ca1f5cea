-- Loading and unloading a model by command: gateways see the order in the catalog and carry it out once.
alter table models
  add column ordered text check (ordered in ('load', 'unload')),
  add column order_number bigint not null default 0 check (order_number >= 0),
  add check ((ordered is null) = (order_number = 0));
