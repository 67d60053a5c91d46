-- What the gateway's own file is forwarded to, on MariaDB or MySQL. README.md in the folder above says how to add a table.
-- The collation is the binary one: `A-1` and `a-1` are two meters, and text comes back as it was written.

-- One row a believed reading. Quantities are integers in the unit of their name; what a meter does not give is NULL.
-- member_account and operator_account: the user and the manager that the reading belongs to.
-- frames: the raw exchanges with the meter, CBOR, the evidence of the row. statement: the interval's, once it is closed.
CREATE TABLE readings (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    meter VARCHAR(64) NOT NULL,
    time_ms BIGINT NOT NULL,
    member_account LONGTEXT NOT NULL,
    operator_account LONGTEXT NOT NULL,
    profile LONGTEXT NOT NULL,
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
    channels LONGTEXT,
    frames LONGBLOB NOT NULL,
    statement VARCHAR(128),
    UNIQUE (meter, time_ms)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE INDEX readings_by_statement ON readings (statement);

-- One row a statement that was ever made. state: waiting, final or withdrawn.
CREATE TABLE outbox (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    statement VARCHAR(128) NOT NULL UNIQUE,
    meter VARCHAR(64) NOT NULL,
    binding LONGTEXT NOT NULL,
    seq BIGINT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    bytes LONGBLOB NOT NULL,
    attachment LONGBLOB NOT NULL,
    state VARCHAR(16) NOT NULL,
    attempts BIGINT NOT NULL,
    height BIGINT,
    log_index BIGINT
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE INDEX outbox_by_meter ON outbox (meter, state, seq);

-- Where each meter's chain stands: the next statement continues here.
CREATE TABLE chains (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    meter VARCHAR(64) NOT NULL UNIQUE,
    binding LONGTEXT NOT NULL,
    next_seq BIGINT NOT NULL,
    previous LONGTEXT NOT NULL,
    end_ms BIGINT NOT NULL,
    import_mwh BIGINT,
    export_mwh BIGINT
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What happened beside the readings, with the bytes that led to it. The oldest rows give way.
CREATE TABLE events (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    time_ms BIGINT NOT NULL,
    meter VARCHAR(64),
    bus BIGINT,
    kind LONGTEXT NOT NULL,
    detail LONGTEXT NOT NULL,
    raw LONGBLOB NOT NULL,
    -- The gateway's file and the row's id in it: what tells rows of several gateways apart.
    spool VARCHAR(64) NOT NULL,
    spool_id BIGINT NOT NULL,
    UNIQUE (spool, spool_id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- How far each gateway's file was forwarded: the place in its log of changes, and that entry's mark, by which a file that
-- was put back from a copy is recognised.
CREATE TABLE mirror_positions (
    spool VARCHAR(64) NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    mark BIGINT NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
