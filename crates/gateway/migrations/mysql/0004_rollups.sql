-- Readings of a meter by minute, quarter of an hour and day (level: 1, 15 or 1440 minutes; a day is the community's).
-- Sums and counts make means; coarser levels are made of finer ones. What no reading gave is NULL.
-- energy_*: what the counters moved since the reading before the span's first; a counter that falls moves nothing.
CREATE TABLE rollups (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    meter VARCHAR(64) NOT NULL,
    level BIGINT NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    readings BIGINT NOT NULL,
    voltage_readings BIGINT NOT NULL,
    voltage_sum_mv BIGINT NOT NULL,
    voltage_min_mv BIGINT,
    voltage_max_mv BIGINT,
    current_max_ua BIGINT,
    power_readings BIGINT NOT NULL,
    power_sum_mw BIGINT NOT NULL,
    power_max_mw BIGINT,
    energy_import_mwh BIGINT,
    energy_export_mwh BIGINT,
    UNIQUE (meter, level, start_ms)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Days of which readings were removed by retention; each database has its own.
CREATE TABLE thinned (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    meter VARCHAR(64) NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL,
    UNIQUE (meter, start_ms)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE INDEX outbox_by_end ON outbox (state, end_ms);
