"""The tables, as scripts that bring a file from each version to the next. A script that was released never changes."""

from __future__ import annotations

_VERSION_1 = """
CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,  -- SHA-256 of the secret, which itself is nowhere
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,         -- JSON
    models TEXT,                  -- JSON; NULL: all
    limits TEXT NOT NULL,         -- JSON
    created REAL NOT NULL,        -- seconds since 1970, as all times here
    expires_at REAL,
    revoked_at REAL,
    last_used REAL
) WITHOUT ROWID;

-- Counts the changes that a server must know of at once, whoever makes them. That a key was used is none of these.
CREATE TABLE keys_generation (value INTEGER NOT NULL);
INSERT INTO keys_generation VALUES (random() / 2);  -- no two files count alike
CREATE TRIGGER key_inserted AFTER INSERT ON keys BEGIN UPDATE keys_generation SET value = value + 1; END;
CREATE TRIGGER key_deleted AFTER DELETE ON keys BEGIN UPDATE keys_generation SET value = value + 1; END;
CREATE TRIGGER key_updated AFTER UPDATE OF digest, name, scopes, models, limits, expires_at, revoked_at ON keys
BEGIN UPDATE keys_generation SET value = value + 1; END;

-- What was admitted of late, by second: the memory of the limits.
CREATE TABLE admissions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    server TEXT NOT NULL,
    boot TEXT NOT NULL,           -- between two starts of the machine `steady` is the same for all
    principal TEXT NOT NULL,
    steady REAL NOT NULL,         -- the last time of admission in its second
    wall REAL NOT NULL,           -- the same time by the calendar
    requests INTEGER NOT NULL,    -- changes: what is given back is negative
    tokens INTEGER NOT NULL
);
CREATE INDEX admissions_by_time ON admissions (wall);

CREATE TABLE usage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    request_id TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    principal_name TEXT NOT NULL,
    route TEXT NOT NULL,
    model TEXT NOT NULL,
    status INTEGER NOT NULL,
    error TEXT,
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    tokens_cached INTEGER NOT NULL,
    duration REAL NOT NULL,
    first_token REAL,
    prompt TEXT
);
CREATE INDEX usage_by_time ON usage (time);

-- The sums stay when the records go.
CREATE TABLE usage_days (
    day TEXT NOT NULL,            -- 2026-11-22, in UTC
    principal_id TEXT NOT NULL,
    principal_name TEXT NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    tokens_cached INTEGER NOT NULL,
    duration REAL NOT NULL,
    PRIMARY KEY (day, principal_id, model)
) WITHOUT ROWID;
"""

MIGRATIONS = (_VERSION_1,)
