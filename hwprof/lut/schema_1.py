"""The first layout of a table file. Every later one is made from it by `schema.MIGRATIONS`."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE device (
    fingerprint TEXT PRIMARY KEY,
    slug        TEXT NOT NULL,
    name        TEXT NOT NULL,
    spec        TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE measurement (
    id                 TEXT PRIMARY KEY,
    run_id             TEXT NOT NULL,
    created_at         TEXT NOT NULL,
    subject_name       TEXT NOT NULL,
    subject_key        TEXT NOT NULL,
    sha256             TEXT NOT NULL,
    batch              INTEGER,
    device_fingerprint TEXT NOT NULL REFERENCES device,
    source             TEXT NOT NULL,
    plan               TEXT NOT NULL,
    document           TEXT NOT NULL
);
CREATE INDEX measurement_by_time ON measurement (created_at, id);
CREATE INDEX measurement_by_subject ON measurement (subject_key, device_fingerprint);

CREATE TABLE restart (
    measurement_id  TEXT NOT NULL REFERENCES measurement ON DELETE CASCADE,
    position        INTEGER NOT NULL,
    setup_s         REAL NOT NULL,
    first_run_s     REAL NOT NULL,
    stop            TEXT NOT NULL,
    basis           TEXT NOT NULL,
    started_at      TEXT NOT NULL,
    steady_n        INTEGER NOT NULL,
    steady_loops    INTEGER NOT NULL,
    steady_wall     BLOB NOT NULL,
    steady_cpu      BLOB,
    steady_switches BLOB,
    warmup_n        INTEGER NOT NULL,
    warmup_loops    INTEGER NOT NULL,
    warmup_wall     BLOB NOT NULL,
    warmup_cpu      BLOB,
    warmup_switches BLOB,
    PRIMARY KEY (measurement_id, position)
);

CREATE TABLE profile (
    measurement_id   TEXT PRIMARY KEY REFERENCES measurement ON DELETE CASCADE,
    runs             INTEGER NOT NULL,
    run_wall         BLOB NOT NULL,
    run_switches     BLOB,
    node_cost_s      REAL,
    node_cost_source TEXT NOT NULL,
    uncovered        TEXT NOT NULL
);

CREATE TABLE kernel (
    id         TEXT PRIMARY KEY,
    key_hash   TEXT NOT NULL,
    key        TEXT NOT NULL,
    domain     TEXT NOT NULL,
    op         TEXT NOT NULL,
    attributes TEXT NOT NULL,
    inputs     TEXT NOT NULL,
    outputs    TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX kernel_by_key ON kernel (key_hash);

CREATE TABLE kernel_occurrence (
    measurement_id TEXT NOT NULL REFERENCES profile ON DELETE CASCADE,
    position       INTEGER NOT NULL,
    name           TEXT NOT NULL,
    kernel_id      TEXT NOT NULL REFERENCES kernel,
    provider       TEXT NOT NULL,
    input_names    TEXT NOT NULL,
    output_names   TEXT NOT NULL,
    source_nodes   TEXT NOT NULL,
    calls          INTEGER NOT NULL,
    durations      BLOB NOT NULL,
    PRIMARY KEY (measurement_id, position)
);
CREATE INDEX occurrence_by_kernel ON kernel_occurrence (kernel_id);

CREATE TABLE failure (
    id         TEXT PRIMARY KEY,
    run_id     TEXT NOT NULL,
    created_at TEXT NOT NULL,
    subject    TEXT NOT NULL,
    device     TEXT NOT NULL,
    reason     TEXT NOT NULL
);
CREATE INDEX failure_by_time ON failure (created_at, id);

CREATE TABLE calibration (
    device_fingerprint TEXT NOT NULL REFERENCES device,
    name               TEXT NOT NULL,
    created_at         TEXT NOT NULL,
    value              REAL NOT NULL,
    details            TEXT NOT NULL,
    PRIMARY KEY (device_fingerprint, name, created_at)
);
"""
