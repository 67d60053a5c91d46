-- The gateway's own file. The same tables for MariaDB/MySQL and PostgreSQL are in the folders beside this one, and
-- README.md there says how to add one for all three. Every table has an integer `id`: the log of changes names rows by it.

-- One row a believed reading. Quantities are integers in the unit of their name; what a meter does not give is NULL.
-- member_account and operator_account: the user and the manager that the reading belongs to.
-- frames: the raw exchanges with the meter, CBOR, the evidence of the row. statement: the interval's, once it is closed.
CREATE TABLE readings (
    id INTEGER PRIMARY KEY,
    meter TEXT NOT NULL,
    time_ms BIGINT NOT NULL,
    member_account TEXT NOT NULL,
    operator_account TEXT NOT NULL,
    profile TEXT NOT NULL,
    voltage_mv BIGINT,
    current_ua BIGINT,
    active_power_mw BIGINT,
    reactive_power_mvar BIGINT,
    apparent_power_mva BIGINT,
    power_factor_1e4 BIGINT,
    frequency_mhz BIGINT,
    energy_import_mwh BIGINT,
    energy_export_mwh BIGINT,
    -- Values of single phases and channels: a JSON object of names such as voltage_mv_l1.
    channels TEXT,
    frames BLOB NOT NULL,
    statement TEXT,
    UNIQUE (meter, time_ms)
);
CREATE INDEX readings_by_statement ON readings (statement);

-- One row a statement that was ever made. state: waiting, final or withdrawn.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    statement TEXT NOT NULL UNIQUE,
    meter TEXT NOT NULL,
    binding TEXT NOT NULL,
    seq BIGINT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    bytes BLOB NOT NULL,
    attachment BLOB NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    height BIGINT,
    log_index BIGINT
);
CREATE INDEX outbox_by_meter ON outbox (meter, state, seq);

-- Where each meter's chain stands: the next statement continues here.
CREATE TABLE chains (
    id INTEGER PRIMARY KEY,
    meter TEXT NOT NULL UNIQUE,
    binding TEXT NOT NULL,
    next_seq BIGINT NOT NULL,
    previous TEXT NOT NULL,
    end_ms BIGINT NOT NULL,
    import_mwh BIGINT,
    export_mwh BIGINT
);

-- What happened beside the readings, with the bytes that led to it. The oldest rows give way.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    time_ms BIGINT NOT NULL,
    meter TEXT,
    bus BIGINT,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    raw BLOB NOT NULL
);
