-- One row an order or a rule's act: what was to be switched by whom and why, and what came of it.
-- deed: on, off or reset. cause: person, protection or schedule. before_state, after_state: on, off or unknown.
-- outcome: waiting and sent are not known yet; see the gateway's journal for the others; reason says it in words.
-- statement and bytes: what the ledger is told. stated: waiting, final or refused, for stated_reason.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    number BIGINT NOT NULL,
    meter TEXT NOT NULL,
    time_ms BIGINT NOT NULL,
    deed TEXT NOT NULL,
    cause TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    request TEXT,
    before_state TEXT NOT NULL,
    after_state TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    ended_ms BIGINT,
    statement TEXT,
    bytes BLOB,
    stated TEXT,
    stated_reason TEXT,
    height BIGINT,
    log_index BIGINT,
    UNIQUE (meter, time_ms, number)
);
CREATE INDEX journal_by_outcome ON journal (outcome);
CREATE INDEX journal_by_stated ON journal (stated);
CREATE INDEX journal_by_statement ON journal (statement);
CREATE INDEX journal_by_number ON journal (number);

-- Which rule holds which load off, so that a latch outlives a stop. Of this gateway alone, so it is not forwarded.
CREATE TABLE load_locks (
    meter TEXT NOT NULL,
    rule TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    why TEXT NOT NULL,
    latched BIGINT NOT NULL,
    restores BIGINT NOT NULL,
    PRIMARY KEY (meter, rule)
);
