-- In which order codes were taken: clocks of several machines do not tell.
ALTER TABLE ti_sign_in_code ADD COLUMN taken_order INTEGER;
CREATE UNIQUE INDEX ti_sign_in_code_order ON ti_sign_in_code (taken_order);
CREATE INDEX ti_sign_in_code_last ON ti_sign_in_code (target_iss, target_sub, client, taken_order);
CREATE INDEX ti_sign_in_code_untaken ON ti_sign_in_code (expires_at) WHERE taken_at IS NULL;
