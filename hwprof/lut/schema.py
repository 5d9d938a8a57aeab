"""The layout of a table file: commented SQL, its version, and how old files are lifted to it.

History of `SCHEMA_VERSION`:

1  First layout.
2  What `document` and `calibration.details` held as strings by name are fields of their own:
   `profile.node_cost_reason` and `mapping`, `calibration.source`, the rest within `document`.
   `restart.basis` is gone: it follows from the samples.
3  For how long threads ran and waited: `_busy` and `_waited` of a restart, `run_cpu` and
   `run_waited` of a profile, which tells of branches in `never_ran`, and of
   passes through loops in `passes` and `pass_cost_s`; `document` holds `values` and `tags`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence

from hwprof.lut import version_1

APPLICATION_ID = 0x68777066
"""`hwpf` in ASCII, kept in the file's header: tells a table from any other SQLite file."""

SCHEMA_VERSION = 3
"""Kept in the file's header as `user_version`."""

SCHEMA = """
-- One row per device that anything was measured on.
CREATE TABLE device (
    fingerprint TEXT PRIMARY KEY,   -- DeviceSpec.fingerprint
    slug        TEXT NOT NULL,      -- readable id, for filters
    name        TEXT NOT NULL,      -- name the device is asked for by, for filters
    spec        TEXT NOT NULL       -- JSON of the whole DeviceSpec
) WITHOUT ROWID;

-- One row per measurement. Raw data only: no statistic is ever stored.
CREATE TABLE measurement (
    id                 TEXT PRIMARY KEY,
    run_id             TEXT NOT NULL,   -- shared by one command or campaign
    created_at         TEXT NOT NULL,   -- UTC, ISO 8601: sorts as text
    subject_name       TEXT NOT NULL,
    subject_key        TEXT NOT NULL,   -- content hash and input shapes
    sha256             TEXT NOT NULL,
    batch              INTEGER,
    device_fingerprint TEXT NOT NULL REFERENCES device,
    source             TEXT NOT NULL,   -- measured, imported, interpolated or predicted
    plan               TEXT NOT NULL,   -- JSON object
    document           TEXT NOT NULL    -- JSON: inputs, memory, energy, provenance, warnings,
                                        -- profile_reason, values
);
CREATE INDEX measurement_by_time ON measurement (created_at, id);
CREATE INDEX measurement_by_subject ON measurement (subject_key, device_fingerprint);

-- One row per fresh process of a measurement. `_wall`, `_cpu`, `_busy`, `_waited` (float64, seconds
-- per run) and `_switches` (int64) are little-endian arrays of `_n` elements, zlib-compressed; NULL
-- where the system has no such counter.
CREATE TABLE restart (
    measurement_id  TEXT NOT NULL REFERENCES measurement ON DELETE CASCADE,
    position        INTEGER NOT NULL,   -- 0, 1, ... in the order they ran
    setup_s         REAL NOT NULL,
    first_run_s     REAL NOT NULL,
    stop            TEXT NOT NULL,      -- why sampling ended
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
    steady_busy     BLOB,               -- CPU time of all threads of the process
    steady_waited   BLOB,               -- waiting for a processor, summed over threads
    warmup_busy     BLOB,
    warmup_waited   BLOB,
    PRIMARY KEY (measurement_id, position)
);

-- The profiled runs of a measurement that has per-kernel timings.
CREATE TABLE profile (
    measurement_id   TEXT PRIMARY KEY REFERENCES measurement ON DELETE CASCADE,
    runs             INTEGER NOT NULL,
    run_wall         BLOB NOT NULL,     -- float64[runs], seconds, as in restart
    run_switches     BLOB,              -- int64[runs]
    node_cost_s      REAL,              -- the profiler's own cost per kernel; NULL: not estimated
    node_cost_source TEXT NOT NULL,
    uncovered        TEXT NOT NULL,     -- JSON list of source nodes
    node_cost_reason TEXT NOT NULL DEFAULT '',  -- why node_cost_s is NULL
    mapping          TEXT NOT NULL DEFAULT '',  -- how kernels were led back to source nodes
    run_cpu          BLOB,              -- float64[runs], seconds of the calling thread
    run_waited       BLOB,              -- float64[runs], seconds, as steady_waited
    never_ran        TEXT NOT NULL DEFAULT '[]',  -- JSON list: branches that no profiled run took
    pass_cost_s      REAL               -- the profiler's own cost per pass, as node_cost_s
);

-- One row per distinct kernel, tensor names left out, shared by all measurements. `id` hashes the
-- whole content: `key` leaves outputs out, so kernels that differ may share it.
CREATE TABLE kernel (
    id         TEXT PRIMARY KEY,
    key_hash   TEXT NOT NULL,
    key        TEXT NOT NULL,
    domain     TEXT NOT NULL,
    op         TEXT NOT NULL,
    attributes TEXT NOT NULL,           -- JSON object
    inputs     TEXT NOT NULL,           -- JSON list of tensors, null for an omitted one
    outputs    TEXT NOT NULL            -- the same
) WITHOUT ROWID;
CREATE INDEX kernel_by_key ON kernel (key_hash);

-- A kernel at one place of a measured model.
CREATE TABLE kernel_occurrence (
    measurement_id TEXT NOT NULL REFERENCES profile ON DELETE CASCADE,
    position       INTEGER NOT NULL,    -- 0, 1, ... in execution order
    name           TEXT NOT NULL,
    kernel_id      TEXT NOT NULL REFERENCES kernel,
    provider       TEXT NOT NULL,
    input_names    TEXT NOT NULL,       -- JSON list, null for an omitted tensor
    output_names   TEXT NOT NULL,       -- the same
    source_nodes   TEXT NOT NULL,       -- JSON list
    calls          INTEGER NOT NULL,    -- times it ran within one run of the model
    durations      BLOB NOT NULL,       -- float64[profile.runs], seconds, profiler's cost included
    passes         INTEGER NOT NULL DEFAULT 0,  -- times graphs inside it ran within one run
    PRIMARY KEY (measurement_id, position)
);
CREATE INDEX occurrence_by_kernel ON kernel_occurrence (kernel_id);

-- Measurements that did not come about.
CREATE TABLE failure (
    id         TEXT PRIMARY KEY,
    run_id     TEXT NOT NULL,
    created_at TEXT NOT NULL,
    subject    TEXT NOT NULL,           -- model as the caller named it
    device     TEXT NOT NULL,
    reason     TEXT NOT NULL
);
CREATE INDEX failure_by_time ON failure (created_at, id);

-- Constants of a device, such as its profiler's cost per kernel. Every estimate is kept; the newest
-- counts.
CREATE TABLE calibration (
    device_fingerprint TEXT NOT NULL REFERENCES device,
    name               TEXT NOT NULL,
    created_at         TEXT NOT NULL,
    value              REAL NOT NULL,
    source             TEXT NOT NULL,   -- how the value was found, in words
    legacy_notes       TEXT NOT NULL,   -- JSON object of strings, from version 1
    PRIMARY KEY (device_fingerprint, name, created_at)
);
"""

# Columns go by way of a new table: DROP COLUMN needs SQLite 3.35. Documents are handed over as
# BLOB, for Python takes no text that is not UTF-8; what cannot be read stays as it is.
_TO_2 = """
ALTER TABLE profile ADD COLUMN node_cost_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE profile ADD COLUMN mapping TEXT NOT NULL DEFAULT '';
UPDATE profile SET (node_cost_reason, mapping) = (
    SELECT coalesce(v1_detail(CAST(document AS BLOB), 'node_cost'), ''),
           coalesce(v1_detail(CAST(document AS BLOB), 'mapping'), '')
    FROM measurement WHERE id = measurement_id
);
UPDATE measurement SET document = coalesce(
    v1_document(CAST(document AS BLOB), id IN (SELECT measurement_id FROM profile)), document
);

CREATE TABLE restart_2 (
    measurement_id  TEXT NOT NULL REFERENCES measurement ON DELETE CASCADE,
    position        INTEGER NOT NULL,
    setup_s         REAL NOT NULL,
    first_run_s     REAL NOT NULL,
    stop            TEXT NOT NULL,
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
INSERT INTO restart_2 SELECT
    measurement_id, position, setup_s, first_run_s, stop, started_at,
    steady_n, steady_loops, steady_wall, steady_cpu, steady_switches,
    warmup_n, warmup_loops, warmup_wall, warmup_cpu, warmup_switches
FROM restart;
DROP TABLE restart;
ALTER TABLE restart_2 RENAME TO restart;

CREATE TABLE calibration_2 (
    device_fingerprint TEXT NOT NULL REFERENCES device,
    name               TEXT NOT NULL,
    created_at         TEXT NOT NULL,
    value              REAL NOT NULL,
    source             TEXT NOT NULL,
    legacy_notes       TEXT NOT NULL,
    PRIMARY KEY (device_fingerprint, name, created_at)
);
INSERT INTO calibration_2 SELECT
    device_fingerprint, name, created_at, value,
    coalesce(v1_source(CAST(details AS BLOB)), ''),
    coalesce(v1_notes(CAST(details AS BLOB)), details)
FROM calibration;
DROP TABLE calibration;
ALTER TABLE calibration_2 RENAME TO calibration;
"""

_TO_3 = """
ALTER TABLE restart ADD COLUMN steady_busy BLOB;
ALTER TABLE restart ADD COLUMN steady_waited BLOB;
ALTER TABLE restart ADD COLUMN warmup_busy BLOB;
ALTER TABLE restart ADD COLUMN warmup_waited BLOB;
ALTER TABLE profile ADD COLUMN run_cpu BLOB;
ALTER TABLE profile ADD COLUMN run_waited BLOB;
ALTER TABLE profile ADD COLUMN never_ran TEXT NOT NULL DEFAULT '[]';
ALTER TABLE profile ADD COLUMN pass_cost_s REAL;
ALTER TABLE kernel_occurrence ADD COLUMN passes INTEGER NOT NULL DEFAULT 0;
"""

MIGRATIONS: Mapping[int, str] = {2: _TO_2, 3: _TO_3}
"""SQL that lifts a file from version n - 1 to n, by n: one entry per version after the first."""

FUNCTIONS: Mapping[str, tuple[int, Callable[..., str | None]]] = {
    "v1_detail": (2, version_1.detail),
    "v1_document": (2, version_1.lift_document),
    "v1_source": (1, version_1.calibration_source),
    "v1_notes": (1, version_1.calibration_notes),
}
"""What the migrations call, with the number of arguments."""


class ForeignFileError(Exception):
    """The SQLite file belongs to another program."""


class NewerSchemaError(Exception):
    """The file's schema version, the only argument, is above `SCHEMA_VERSION`."""


def read_version(connection: sqlite3.Connection) -> int:
    """Schema version of the file, 0 for an empty one.

    Raises ForeignFileError, NewerSchemaError, or sqlite3.DatabaseError for a file that is no
    database.
    """
    application = _pragma(connection, "PRAGMA application_id")
    version = _pragma(connection, "PRAGMA user_version")
    if application == APPLICATION_ID and version > 0:
        if version > SCHEMA_VERSION:
            raise NewerSchemaError(version)
        return version
    # Not count(*): it goes through a whole file in one step, which nothing can stop.
    filled = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
    if application or version or filled:
        raise ForeignFileError
    return 0


def lift(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file at `version` (0: empty) to `SCHEMA_VERSION`, inside the caller's transaction."""
    if version == SCHEMA_VERSION:
        return
    later = [MIGRATIONS[n] for n in range(version + 1, SCHEMA_VERSION + 1)] if version else [SCHEMA]
    run(connection, later)
    # Pragmas take no parameters; both values are constants of this module.
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def run(connection: sqlite3.Connection, scripts: Sequence[str]) -> None:
    """Run SQL that makes or changes the layout, inside the caller's transaction if there is one."""
    for name, (arguments, function) in FUNCTIONS.items():
        connection.create_function(name, arguments, function, deterministic=True)
    for script in scripts:
        for statement in _statements(script):
            connection.execute(statement)


def _pragma(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(pragma).fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    # Not executescript(): it would commit the transaction that keeps two creators apart.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
