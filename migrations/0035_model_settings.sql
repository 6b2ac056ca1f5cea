-- A PRM of kind tokens has its prompt, words and calibration in a file beside its own, and they decide with it: whoever
-- changed that file changed decisions, and nothing told.

-- SHA-256 of FILE.prm.json when the model was registered; null: there was none then, or the model was registered before
-- this was looked at, and its settings are compared with nothing.
alter table models
  add column settings_sha256 text check (settings_sha256 ~ '^[0-9a-f]{64}$'),
  add constraint models_settings_kind_check
    check (settings_sha256 is null or reward_kind is not distinct from 'tokens');
