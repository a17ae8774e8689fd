-- The W3C tracestate of the call that began a cancel. All that happens later for the cancel carries
-- it. Only a sampled trace has one.
ALTER TABLE cancellations ADD COLUMN tracestate TEXT NOT NULL DEFAULT ''
    CHECK (tracestate = '' OR sampled = 1);
