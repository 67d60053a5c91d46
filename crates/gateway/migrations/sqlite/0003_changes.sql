-- What is still to be forwarded to a database server: one row a change, written by triggers in the transaction of the
-- change. The triggers are there while a server is configured; the program makes and drops them.
-- transaction_number: changes of one transaction are forwarded together. mark: tells this entry from one of the same
-- number in a copy of the file.
CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    table_name TEXT NOT NULL,
    row_id BIGINT NOT NULL,
    transaction_number BIGINT NOT NULL,
    mark BIGINT NOT NULL DEFAULT (random())
);
CREATE INDEX changes_by_row ON changes (table_name, row_id);
CREATE INDEX changes_by_transaction ON changes (transaction_number);

-- One row. spool: this file's identity on the server. position, mark: up to where the log of changes is forwarded.
CREATE TABLE mirror (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    spool TEXT NOT NULL,
    is_active BIGINT NOT NULL,
    transaction_number BIGINT NOT NULL,
    position BIGINT NOT NULL,
    mark BIGINT NOT NULL
);
INSERT INTO mirror VALUES (1, lower(hex(randomblob(16))), 0, 0, 0, 0);
