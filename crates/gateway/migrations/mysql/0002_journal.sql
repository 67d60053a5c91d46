-- One row an order or a rule's act: what was to be switched by whom and why, and what came of it.
CREATE TABLE journal (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    number BIGINT NOT NULL,
    meter VARCHAR(64) NOT NULL,
    time_ms BIGINT NOT NULL,
    deed LONGTEXT NOT NULL,
    cause LONGTEXT NOT NULL,
    who LONGTEXT NOT NULL,
    why LONGTEXT NOT NULL,
    request LONGTEXT,
    before_state LONGTEXT NOT NULL,
    after_state LONGTEXT NOT NULL,
    outcome LONGTEXT NOT NULL,
    reason LONGTEXT,
    ended_ms BIGINT,
    statement LONGTEXT,
    bytes LONGBLOB,
    stated LONGTEXT,
    stated_reason LONGTEXT,
    height BIGINT,
    log_index BIGINT,
    UNIQUE (meter, time_ms, number)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
