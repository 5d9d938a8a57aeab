"""Tables and exports that earlier versions wrote: they load for ever, and say the same."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwprof.codec import to_builtins
from hwprof.errors import TableError
from hwprof.latency import restart_headlines
from hwprof.lut import Calibration, Table, export, import_file, schema
from hwprof.measurement import Failure, Measurement
from hwprof.profile import Profile
from tests.lut.test_processes import finish, start

STORED = Path(__file__).parents[1] / "stored"
OLD = ("first", "second")
FOLDERS = (*OLD, "third", "fourth")
EXPORTS = sorted(STORED.glob("*/table.[!d]*"))

DETAILS = {
    "timing_overhead_s": "2.14e-06",
    "outputs": "within 0.016 of ONNX Runtime's, not judged at int8",
    "per_op": "the runtime has no profile; use another",
    "node_cost": "the chains do not run; update the runtime",
    "mapping": "by name",
    "gpu": "NVIDIA H200 GPU-12ab",
    "gpu_before": "1980 MHz, memory 2619 MHz, 54 C, 310 W of 700 W, power cap, idle",
    "gpu_after": "the driver tells nothing",
    "gpu_slowed": "power 0.500 s, power cap",
    "weather": "fair",
}


def content(table: Table) -> tuple[list[Measurement], list[Failure], list[Calibration]]:
    return list(table.measurements()), list(table.failures()), list(table.calibrations())


def wanted(folder: str) -> list[dict[str, Any]]:
    text = (STORED / folder / "measurements.json").read_text(encoding="utf-8")
    return sorted(json.loads(text), key=lambda facts: facts["id"])


def headline_of(measurement: Measurement) -> float:
    """The headline as earlier versions had it: on several threads the median of processes, too."""
    parts, threads = [r.steady for r in measurement.restarts], measurement.device.threads
    return float(np.median(restart_headlines(parts, threads)))


def says_the_same(measurement: Measurement, facts: dict[str, Any]) -> None:
    """The measurement against what the version that wrote it read from it."""
    latency, reading, profile = measurement.latency, measurement.energy.reading, measurement.profile
    assert measurement.id == facts["id"]
    assert measurement.subject.name == facts["name"]
    assert measurement.subject.key == facts["key"]
    assert facts["headline_s"] in (latency.headline_s, headline_of(measurement))
    assert latency.n == facts["n"]
    assert (None if reading is None else reading.gross_j_per_run) == facts["gross_j"]
    assert (None if reading is None else reading.net_j_per_run) == facts["net_j"]
    total_s = None if profile is None else profile.total_s()
    if profile is not None and "waited_s" not in facts:
        total_s = total_of_all_runs(profile)
    assert total_s == facts["total_s"]
    threads = measurement.device.threads
    # Of what was made up, version 1 says the same basis whatever the samples are.
    if measurement.subject.name == "mlp" or "details" not in facts:
        bases = [r.steady.basis(threads).value for r in measurement.restarts]
        assert bases == facts["basis"]
    if "details" in facts:
        assert retold(measurement) == facts["details"]
        return
    assert measurement.profile_reason == facts["profile_reason"]
    assert (None if profile is None else profile.mapping) == facts["mapping"]
    assert (None if profile is None else profile.node_cost_reason) == facts["node_cost_reason"]
    provenance = json.loads(json.dumps(to_builtins(measurement.provenance)))
    assert among(provenance, facts["provenance"]) == facts["provenance"]
    if "waited_s" in facts:
        assert waited(measurement) == facts["waited_s"]
        never_ran = () if profile is None else profile.never_ran
        assert list(never_ran) == facts["never_ran"]
        values = json.loads(json.dumps(to_builtins(measurement.subject.values)))
        assert values == facts["values"]


def total_of_all_runs(profile: Profile) -> float | None:
    """The sum over kernels as versions before 3 had it: from the faster half of all runs."""
    if profile.node_cost_s is None:
        return None
    halves = [
        np.sort(o.durations_s)[: max(1, o.durations_s.size // 2)] for o in profile.occurrences
    ]
    costs = [profile.node_cost_s * o.calls for o in profile.occurrences]
    return float(sum(h.mean() - cost for h, cost in zip(halves, costs, strict=True)))


def waited(measurement: Measurement) -> list[float | None]:
    """Sums of the columns that came with version 3: of each restart, then of the profile."""
    profile = measurement.profile
    columns = [c for r in measurement.restarts for c in (r.steady.busy_s, r.steady.waited_s)]
    columns += [] if profile is None else [profile.run_cpu_s, profile.run_waited_s]
    return [None if column is None else float(column.sum()) for column in columns]


def among(now: Any, then: Any) -> Any:
    """What a version said of itself: of the fields of today, those that it had."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return now
    return {name: among(now[name], then[name]) for name in then}


def retold(measurement: Measurement) -> dict[str, str]:
    """The details that version 1 had in words, from the fields of today."""
    provenance, profile = measurement.provenance, measurement.profile
    overhead, outputs, gpu = provenance.timing_overhead_s, provenance.outputs, provenance.gpu
    told = {
        "per_op": measurement.profile_reason,
        "timing_overhead_s": "" if overhead is None else f"{overhead:.3g}",
        "outputs": "" if outputs is None else outputs.text,
        "node_cost": "" if profile is None else profile.node_cost_reason,
        "mapping": "" if profile is None else profile.mapping,
    }
    if gpu is not None:
        told |= {
            "gpu": f"{gpu.name} {gpu.uuid}",
            "gpu_before": gpu.before.text,
            "gpu_after": gpu.after.text,
            "gpu_slowed": gpu.slowed,
        }
    return {name: text for name, text in told.items() if text} | dict(provenance.legacy_notes)


@pytest.fixture(params=FOLDERS)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a stored table, named as its folder is."""
    path = tmp_path / f"{request.param}.db"
    shutil.copy(STORED / request.param / "table.db", path)
    return path


@pytest.mark.parametrize("readonly", [True, False])
def test_a_stored_table_says_what_it_said(stored: Path, readonly: bool) -> None:
    before = stored.read_bytes()
    with Table.open(stored, create=False, readonly=readonly) as table:
        found = sorted(table.measurements(), key=lambda m: m.id)
        for measurement, facts in zip(found, wanted(stored.stem), strict=True):
            says_the_same(measurement, facts)
        assert table.counts()["failures"] == 1
        (calibration,) = table.calibrations()
        assert table.get_calibration(calibration.device, calibration.name) == calibration
        assert calibration.source
        assert not calibration.legacy_notes
        for measurement in found:
            assert table.get(measurement.id) == measurement
            # What is there already is known again.
            assert readonly or not table.add(measurement)
    assert not readonly or stored.read_bytes() == before
    assert [p.name for p in stored.parent.iterdir()] == [stored.name]


def test_a_lifted_table_has_the_layout_of_a_new_one(stored: Path, tmp_path: Path) -> None:
    def layout(path: Path) -> dict[str, Any]:
        with closing(sqlite3.connect(path)) as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
            found: dict[str, Any] = {
                name: connection.execute(f"PRAGMA table_xinfo({name})").fetchall()
                + connection.execute(f"PRAGMA foreign_key_list({name})").fetchall()
                for name in sorted(names)
            }
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found["version"] = connection.execute("PRAGMA user_version").fetchone()
        return found

    Table.open(stored).close()
    Table.open(tmp_path / "new").close()
    assert layout(stored) == layout(tmp_path / "new")


@pytest.mark.parametrize("fmt", ["jsonl", "csv", "parquet"])
def test_what_was_lifted_survives_an_export(stored: Path, tmp_path: Path, fmt: str) -> None:
    with (
        Table.open(stored, readonly=True) as table,
        Table.open(tmp_path / "copy") as copy,
    ):
        export(table, fmt, tmp_path / "file")
        import_file(tmp_path / "file", copy, fmt)
        assert content(copy) == content(table)


@pytest.mark.parametrize("file", EXPORTS, ids=lambda file: f"{file.parent.name}{file.suffix}")
def test_a_stored_export_holds_what_its_table_holds(file: Path, tmp_path: Path) -> None:
    with (
        Table.open(file.with_name("table.db"), readonly=True) as table,
        Table.open(tmp_path / "copy") as copy,
    ):
        import_file(file, copy)
        assert content(copy) == content(table)


def test_every_format_is_among_the_stored_exports() -> None:
    found = {(file.parent.name, file.suffix) for file in EXPORTS}
    assert {("second", f".{fmt}") for fmt in ("jsonl", "csv", "parquet")} <= found
    assert {("third", f".{fmt}") for fmt in ("jsonl", "csv", "parquet")} <= found
    assert {("fourth", f".{fmt}") for fmt in ("jsonl", "csv", "parquet")} <= found


def test_a_new_folder_can_be_written(tmp_path: Path) -> None:
    script = STORED / "write.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in (STORED / "fourth").iterdir()}
    facts = json.loads((tmp_path / "measurements.json").read_text(encoding="utf-8"))
    with Table.open(tmp_path / "table.db", readonly=True) as table:
        for found, told in zip(table.measurements(), facts, strict=True):
            says_the_same(found, told)


def test_exports_of_two_versions_may_be_joined(tmp_path: Path) -> None:
    parts = [STORED / folder / "table.jsonl" for folder in ("third", "second", "third")]
    joined = tmp_path / "joined.jsonl"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    # One measurement is in both, and the old one has less to tell: only it is left out here.
    lines = joined.read_bytes().splitlines(keepends=True)
    twice = b'"id":"d77cb0166beaf6a854bebedf63ab8d0e"'
    joined.write_bytes(b"".join(line for line in lines if twice not in line))
    with Table.open(tmp_path / "table.db") as table:
        import_file(joined, table)
        for folder in ("second", "third"):
            for facts in wanted(folder):
                if facts["id"].encode() not in twice:
                    says_the_same(table.get(facts["id"]), facts)


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("folder", OLD)
def test_every_detail_finds_its_field(tmp_path: Path, folder: str, readonly: bool) -> None:
    path = tmp_path / "table.db"
    shutil.copy(STORED / folder / "table.db", path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE measurement SET document = json_set(document, '$.provenance.details', json(?))",
            (json.dumps(DETAILS),),
        )
        connection.execute(
            "UPDATE calibration SET details = ?",
            (json.dumps({"source": "three chains", "models": "3"}),),
        )
    exported = tmp_path / "table.jsonl"
    exported.write_text(with_details(STORED / folder / "table.jsonl"), encoding="utf-8")
    with Table.open(path, readonly=readonly) as table:
        for measurement in table.measurements():
            assert retold(measurement) == DETAILS
            provenance, profile = measurement.provenance, measurement.profile
            assert provenance.timing_overhead_s == 2.14e-06
            assert provenance.outputs is not None
            assert (provenance.outputs.error, provenance.outputs.allowed) == (0.016, None)
            assert provenance.outputs.reference == "ONNX Runtime"
            assert provenance.gpu is not None
            assert (provenance.gpu.name, provenance.gpu.uuid) == ("NVIDIA H200", "GPU-12ab")
            assert provenance.gpu.before.clock_hz == 1.98e9
            assert provenance.gpu.before.power_limit_w == 700.0
            assert provenance.gpu.before.limits == ("power cap", "idle")
            assert provenance.gpu.after.clock_hz is None
            assert provenance.gpu.slowed_s == {"power": 0.5}
            assert profile is not None
            assert (profile.mapping, profile.node_cost_reason) == (
                DETAILS["mapping"],
                DETAILS["node_cost"],
            )
            assert provenance.legacy_notes == {"weather": "fair"}
        (calibration,) = table.calibrations()
        assert calibration.source == "three chains"
        assert calibration.legacy_notes == {"models": "3"}
        with Table.open(tmp_path / "copy.db") as copy:
            import_file(exported, copy)
            assert content(copy)[0] == content(table)[0]


def with_details(file: Path) -> str:
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if "measurement" in record:
            record["measurement"]["provenance"]["details"] = DETAILS
        lines.append(json.dumps(record))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE measurement SET document = '{' WHERE rowid = 1",
        "UPDATE measurement SET document = '[]' WHERE rowid = 1",
        "UPDATE measurement SET document = CAST(x'7bff7d' AS TEXT) WHERE rowid = 1",
        "UPDATE measurement SET document = 7 WHERE rowid = 1",
        "UPDATE measurement SET document = "
        "json_set(document, '$.provenance.details', json('[1]')) WHERE rowid = 1",
    ],
)
def test_one_damaged_record_does_not_keep_the_others(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "table.db"
    shutil.copy(STORED / "second" / "table.db", path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
        connection.execute("UPDATE calibration SET details = '[]'")
        ((broken,),) = connection.execute("SELECT id FROM measurement WHERE rowid = 1").fetchall()
    with Table.open(path) as table:
        with pytest.raises(TableError, match="damaged"):
            table.get(broken)
        with pytest.raises(TableError, match="damaged"):
            list(table.calibrations())
        (other,) = [facts for facts in wanted("second") if facts["id"] != broken]
        says_the_same(table.get(other["id"]), other)


def test_what_another_still_has_in_its_wal_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "table.db"
    shutil.copy(STORED / "second" / "table.db", path)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE measurement SET subject_name = 'renamed'")
        with Table.open(path, readonly=True) as table:
            assert [m.subject.name for m in table.measurements()] == ["renamed", "renamed"]
            with pytest.raises(TableError, match="open for reading"):
                table.add(next(table.measurements()))


@pytest.mark.parametrize("readonly", [False, True])
def test_a_newer_table_is_refused(stored: Path, readonly: bool) -> None:
    newer = schema.SCHEMA_VERSION + 1
    with closing(sqlite3.connect(stored)) as connection, connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(TableError, match=f"schema version {newer} .*: upgrade hwprof"):
        Table.open(stored, readonly=readonly)


def test_lifting_that_is_killed_anywhere_leaves_a_whole_table(tmp_path: Path) -> None:
    children = 30
    script = Path(__file__).with_name("dying_lifter.py")
    old = STORED / "second" / "table.db"
    arguments = [str(script), str(old), str(tmp_path), str(children)]
    subprocess.run([sys.executable, *arguments], check=True)
    with Table.open(old, readonly=True) as table:
        expected = content(table)
    versions = []
    for number in range(children):
        path = tmp_path / f"{number}.db"
        with closing(sqlite3.connect(path)) as connection:
            versions.append(connection.execute("PRAGMA user_version").fetchone()[0])
        with Table.open(path, create=False) as table:
            assert content(table) == expected
    # The last child died within a statement; of the others some had finished.
    assert versions[0] == versions[-1] == 1
    assert versions[-2] == schema.SCHEMA_VERSION


def test_processes_may_lift_one_table_at_once(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.db" for n in range(10)]
    for path in paths:
        shutil.copy(STORED / "first" / "table.db", path)
    finish([start(first, 1, *paths) for first in (20, 21, 22)])
    for path in paths:
        with Table.open(path, create=False) as table:
            assert table.counts()["measurements"] == 3 + len(wanted("first"))
            for facts in wanted("first"):
                says_the_same(table.get(facts["id"]), facts)
