from __future__ import annotations

import csv
import fcntl
import io
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof.errors import OptionError, TableError
from hwprof.lut import Calibration, ImportReport, Table, export, import_file
from hwprof.lut.exchange.to_rows import COLUMNS
from hwprof.measurement import Failure, Measurement
from hwprof.testing.stores import (
    example_calibration,
    example_device,
    example_failure,
    example_measurement,
)
from tests.lut import strategies

FORMATS = ("jsonl", "csv", "parquet")


def fill(table: Table, count: int = 8) -> None:
    for seed in range(count):
        table.add(example_measurement(seed))
        table.add_failure(example_failure(seed))
        table.add_calibration(example_calibration(seed))


def content(table: Table) -> tuple[list[Measurement], list[Failure], list[Calibration]]:
    return list(table.measurements()), list(table.failures()), list(table.calibrations())


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_round_trip_loses_nothing_and_a_second_import_adds_nothing(
    table: Table, tmp_path: Path, fmt: str
) -> None:
    fill(table)
    file = tmp_path / f"export.{fmt}"
    assert export(table, None, file) == 8
    with Table.open(tmp_path / "copy.db") as copy:
        assert import_file(file, copy) == ImportReport(8, 0, 8, 8)
        assert content(copy) == content(table)
        assert import_file(file, copy) == ImportReport(0, 8, 0, 0)
        assert content(copy) == content(table)
        again = tmp_path / "again"
        export(copy, fmt, again)
    assert again.read_bytes() == file.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} <= {
        *(file.name, "again", "copy.db"),
        *("table.db", "table.db-wal", "table.db-shm"),
    }


@pytest.mark.parametrize("fmt", FORMATS)
@settings(deadline=None, max_examples=25)
@given(
    measurements=st.lists(strategies.measurements(), max_size=3),
    failures=st.lists(strategies.failures, max_size=2),
    calibrations=st.lists(strategies.calibrations, max_size=2),
)
def test_any_value_survives_any_format(
    tmp_path_factory: pytest.TempPathFactory,
    fmt: str,
    measurements: list[Measurement],
    failures: list[Failure],
    calibrations: list[Calibration],
) -> None:
    folder = tmp_path_factory.mktemp("any")
    unlike = {(c.device.slug, c.name, c.created_at): c for c in calibrations}.values()
    with Table.open(folder / "a.db") as table, Table.open(folder / "b.db") as copy:
        for measurement in {m.id: m for m in measurements}.values():
            table.add(measurement)
        for failure in {f.id: f for f in failures}.values():
            table.add_failure(failure)
        for calibration in unlike:
            table.add_calibration(calibration)
        export(table, fmt, folder / "file")
        import_file(folder / "file", copy, fmt)
        assert content(copy) == content(table)


@pytest.mark.parametrize("fmt", FORMATS)
def test_an_anonymous_file_tells_nothing_of_whose_machines_these_were(
    table: Table, tmp_path: Path, fmt: str
) -> None:
    fill(table)
    told = list(table.measurements())
    assert any(m.provenance.host and m.provenance.git_commit for m in told)
    assert any(m.provenance.gpu and m.provenance.gpu.uuid for m in told)
    assert export(table, fmt, tmp_path / "x", anonymous=True) == len(told)
    if fmt != "parquet":
        text = (tmp_path / "x").read_text(encoding="utf-8")
        assert not re.search(r"bench-\d|GPU-|models/broken", text)
    with Table.open(tmp_path / "copy.db") as copy:
        import_file(tmp_path / "x", copy, fmt)
        assert list(copy.failures()) == []
        assert list(copy.calibrations()) == list(table.calibrations())
        for found, known in zip(copy.measurements(), told, strict=True):
            bare = found.provenance
            assert (bare.host, bare.git_commit, bare.legacy_notes) == (None, None, {})
            gpu = known.provenance.gpu
            bare = replace(
                known.provenance,
                host=None,
                git_commit=None,
                legacy_notes={},
                gpu=None if gpu is None else replace(gpu, uuid=""),
            )
            assert found == replace(known, provenance=bare)


@pytest.mark.parametrize("fmt", FORMATS)
def test_an_empty_table_makes_a_file_that_can_be_read(
    table: Table, tmp_path: Path, fmt: str
) -> None:
    assert export(table, fmt, tmp_path / "x") == 0
    assert import_file(tmp_path / "x", table, fmt) == ImportReport(0, 0, 0, 0)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_stream_gets_what_a_file_gets_and_stays_open(
    table: Table, tmp_path: Path, fmt: str
) -> None:
    fill(table)
    export(table, fmt, tmp_path / "file")
    # A pipe cannot seek or tell.
    source, sink = os.pipe()
    with os.fdopen(source, "rb") as reader, os.fdopen(sink, "wb") as writer:
        os.set_blocking(source, False)
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, 2**20)  # room for all of it
        export(table, fmt, writer)
        assert not writer.closed
        writer.flush()
        assert reader.read() == (tmp_path / "file").read_bytes()
    with pytest.raises(OptionError, match="standard output"):
        export(table, None, io.BytesIO())


@pytest.mark.parametrize("fmt", FORMATS)
def test_what_a_stream_raises_is_passed_on(table: Table, fmt: str) -> None:
    class Closed(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            raise BrokenPipeError

    fill(table)
    with pytest.raises(BrokenPipeError):
        export(table, fmt, Closed())  # type: ignore[arg-type]
    # The snapshot has ended: others may fold the -wal file in.
    with table.transaction():
        pass


@pytest.mark.parametrize("fmt", FORMATS)
def test_filters_narrow_an_export(table: Table, tmp_path: Path, fmt: str) -> None:
    fill(table)
    first = example_measurement(0)

    def exported(**filters: Any) -> tuple[int, int, int]:
        export(table, fmt, tmp_path / "x", **filters)
        with Table.open(tmp_path / "copy.db") as copy:
            report = import_file(tmp_path / "x", copy, fmt)
        (tmp_path / "copy.db").unlink()
        return report.added, report.failures, report.calibrations

    same_run = 5
    assert exported(run_id=first.run_id) == (same_run, same_run, 0)
    assert exported(limit=2) == (2, 2, 0)
    assert exported(device=first.device.fingerprint)[2] == 1
    assert exported(source="imported")[1:] == (0, 0)
    assert exported(source="measured")[1:] == (8, 0)
    assert exported(model="nothing") == (0, 0, 0)


def test_exports_can_be_merged_in_any_order(tmp_path: Path) -> None:
    files = []
    for number, seeds in enumerate([(0, 1, 2), (2, 3), (1, 4)]):
        with Table.open(tmp_path / f"{number}.db") as table:
            for seed in seeds:
                table.add(example_measurement(seed))
            files.append(tmp_path / f"{number}.{FORMATS[number]}")
            export(table, None, files[-1])
    contents = []
    for name, order in (("x", files), ("y", files[::-1])):
        with Table.open(tmp_path / name) as merged:
            for file in order:
                import_file(file, merged)
            contents.append(content(merged))
    assert contents[0] == contents[1]
    assert len(contents[0][0]) == 5


def test_json_lines_may_be_joined_and_lines_left_out(table: Table, tmp_path: Path) -> None:
    fill(table, 4)
    file = tmp_path / "x.jsonl"
    export(table, None, file)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b"\n" + b"".join(ln for ln in lines if b'"failure"' not in ln))
    with Table.open(tmp_path / "copy.db") as copy:
        assert import_file(file, copy) == ImportReport(4, 0, 0, 4)


def test_csv_may_come_back_from_a_spreadsheet(table: Table, tmp_path: Path) -> None:
    """Rows sorted, derived columns dropped or edited, a byte order mark in front."""
    fill(table)
    file = tmp_path / "x.csv"
    export(table, None, file)
    csv.field_size_limit(10**7)
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == list(COLUMNS)
    kept = [name for name in reversed(COLUMNS) if name not in ("kernel", "p90_s")]
    with file.open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.DictWriter(stream, kept, extrasaction="ignore", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(row | {"latency_s": "fast!"} for row in reversed(rows))
    with Table.open(tmp_path / "copy.db") as copy:
        import_file(file, copy)
        assert content(copy) == content(table)


def test_derived_columns_agree_with_the_measurement(table: Table, tmp_path: Path) -> None:
    fill(table, 12)
    export(table, "csv", tmp_path / "x.csv")
    csv.field_size_limit(10**7)
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        if row["record"] == "end_to_end":
            measurement = table.get(row["measurement_id"])
            latency = measurement.latency
            assert float(row["p25_s"]) == float(row["latency_s"]) == latency.p25_s
            assert float(row["median_s"]) == latency.median_s
            assert int(row["n"]) == latency.n
            assert (row["p99_s"] == "") == (0.99 not in latency.percentiles_s)
            assert row["device"] == measurement.device.slug
            reading = measurement.energy.reading
            gross, net = row["energy_gross_j"], row["energy_net_j"]
            assert gross == ("" if reading is None else repr(reading.gross_j_per_run))
            assert net == ("" if reading is None else repr(reading.net_j_per_run))
        if row["record"] == "kernel":
            profile = table.get(row["measurement_id"]).profile
            assert profile is not None
            occurrence = profile.occurrences[int(row["position"])]
            assert row["kernel"] == occurrence.kernel.key
            expected = profile.latency_s(occurrence)
            assert row["latency_s"] == ("" if expected is None else repr(expected))
    assert {row["record"] for row in rows} == {"end_to_end", "kernel", "failure", "calibration"}


def test_parquet_has_types_and_says_what_it_is(table: Table, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fill(table)
    export(table, "parquet", tmp_path / "x.parquet")
    found = pq.read_table(tmp_path / "x.parquet")
    assert found.schema.field("steady_wall_s").type == pa.list_(pa.float64())
    assert found.schema.field("steady_switches").type == pa.list_(pa.int64())
    assert b'"schema_version":3' in found.schema.metadata[b"hwprof"]
    assert b'"hwprof_version"' in found.schema.metadata[b"hwprof"]


def test_without_pyarrow_the_extra_is_named(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for action in (
        lambda: export(table, "parquet", tmp_path / "x.parquet"),
        lambda: import_file(tmp_path / "x.parquet", table),
    ):
        with pytest.raises(TableError, match=r"pip install 'hwprof\[parquet\]'"):
            action()


def test_an_export_that_fails_leaves_the_old_file(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(table)
    folder = tmp_path / "out"
    folder.mkdir()
    file = folder / "x.jsonl"
    file.write_text('{"precious": 1}')

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hwprof.files.os.fsync", full)
    with pytest.raises(TableError, match=r"No space left on device.*free space"):
        export(table, None, file)
    assert file.read_text() == '{"precious": 1}'
    assert [p.name for p in folder.iterdir()] == [file.name]


def test_targets_that_cannot_be_written(table: Table, tmp_path: Path) -> None:
    for target in (tmp_path, tmp_path / "missing" / "x", tmp_path / "n\0", tmp_path / ("x" * 300)):
        with pytest.raises(TableError, match=r"folder|NUL"):
            export(table, "csv", target)
    (tmp_path / "link").symlink_to(table.path)
    for target in (table.path, tmp_path / "link"):
        with pytest.raises(TableError, match="the table itself"):
            export(table, "csv", target)


def test_a_link_and_a_device_stay_what_they_are(table: Table, tmp_path: Path) -> None:
    fill(table, 1)
    link, file = tmp_path / "link.csv", tmp_path / "file.csv"
    link.symlink_to(file)
    export(table, None, link)
    assert link.is_symlink()
    assert file.stat().st_size
    assert export(table, "csv", "/dev/null") == 1
    assert not Path("/dev/null").is_file()


def test_formats_are_found_by_suffix(table: Table, tmp_path: Path) -> None:
    for name in ("x.JSONL", "x.ndjson", "x.csv", "x.pq"):
        export(table, None, tmp_path / name)
        import_file(tmp_path / name, table)
    for action in (
        lambda: export(table, None, tmp_path / "x.txt"),
        lambda: export(table, "xlsx", tmp_path / "x.xlsx"),
        lambda: import_file(tmp_path / "x.pkl", table),
    ):
        with pytest.raises(OptionError, match="choose one of jsonl, csv, parquet"):
            action()


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"[" * 100_000,
        b"{}\n",
        b'{"format": "other", "schema_version": 1}\n',
        b'{"format": "hwprof-lut", "schema_version": 0}\n',
        b"name,latency\nconv,1.0\n",
        b'"unclosed',
        b"PAR1" + bytes(40) + b"PAR1",
        pickle.dumps({"format": "hwprof-lut"}),
        b"\xff\xfe\x00" * 5000,
    ],
)
def test_files_that_are_not_ours(table: Table, tmp_path: Path, fmt: str, content: bytes) -> None:
    file = tmp_path / "x"
    file.write_bytes(content)
    with pytest.raises(TableError, match="not an hwprof export") as caught:
        import_file(file, table, fmt)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fmt", FORMATS)
def test_paths_that_hold_no_file(table: Table, tmp_path: Path, fmt: str) -> None:
    for path in (tmp_path, tmp_path / "missing", tmp_path / "n\0"):
        with pytest.raises(TableError, match=r"folder|there is no file"):
            import_file(path, table, fmt)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_file_from_a_newer_hwprof(
    table: Table, tmp_path: Path, fmt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(table, 1)
    with monkeypatch.context() as patch:
        for module in ("base", "to_rows"):
            patch.setattr(f"hwprof.lut.exchange.{module}.EXCHANGE_VERSION", 7)
        export(table, fmt, tmp_path / "x")
    with pytest.raises(TableError, match=r"schema version 7 .* version 3: upgrade hwprof"):
        import_file(tmp_path / "x", table, fmt)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_file_cut_short(table: Table, tmp_path: Path, fmt: str, share: float) -> None:
    fill(table)
    file = tmp_path / "x"
    export(table, fmt, file)
    os.truncate(file, int(file.stat().st_size * share))
    with Table.open(tmp_path / "copy.db") as copy:
        with pytest.raises(TableError):
            import_file(file, copy, fmt)
        assert sum(copy.counts().values()) == 0


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_record_that_contradicts_the_table_stops_the_import(
    table: Table, tmp_path: Path, fmt: str
) -> None:
    fill(table, 4)
    file = tmp_path / "x"
    export(table, fmt, file)
    other = replace(example_measurement(9), id=example_measurement(2).id)
    with Table.open(tmp_path / "copy.db") as copy:
        copy.add(other)
        with pytest.raises(TableError, match=f"(line|row) .*measurement {other.id}.*another id"):
            import_file(file, copy, fmt)
        assert content(copy) == ([other], [], [])


def edit(line: str) -> Callable[[bytes], bytes]:
    old, new = line.split(" -> ")
    return lambda text: text.replace(old.encode(), new.encode(), 1)


@pytest.mark.parametrize(
    "change",
    [
        edit('"setup_s": -> "setup_s":"x","was":'),
        edit('"wall_s":[ -> "wall_s":[null,'),
        edit('"wall_s":[ -> "wall_s":["1",'),
        edit('"wall_s":[ -> "wall_s":[-1,'),
        edit('"wall_s":[ -> "wall_s":[1e999,'),
        edit('"wall_s":[ -> "wall_s":[[],'),
        edit('"cpu_s":[ -> "cpu_s":[0.5,'),
        edit('"switches":[ -> "switches":[0.5,'),
        edit('"switches":[ -> "switches":[99999999999999999999999,'),
        edit('"stop":" -> "stop":"not '),
        edit('"source":" -> "source":"not '),
        edit('"created_at":" -> "created_at":"not '),
        edit('"cpu":"Example -> "cpu":"Another'),
        edit('"device_fingerprint":" -> "device_fingerprint":"0'),
        edit('"record":"measurement" -> "record":"os.system"'),
        edit('"record":"measurement" -> "record":"failure"'),
        edit('"record":"measurement" -> "record":' + "[" * 5000),
        edit('"threads": -> "threads":"x","was":'),
        edit('"id":" -> "id":null,"was":"'),
        lambda text: text[:-200],
        lambda text: text + b"{}\n",
        lambda text: text + b"\xff\n",
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / "x.jsonl"
    with Table.open(tmp_path / "a.db") as table:
        fill(table, 3)
        export(table, None, file)
    before = file.read_bytes()
    file.write_bytes(change(before))
    assert file.read_bytes() != before
    with Table.open(tmp_path / "b.db") as table:
        with pytest.raises(TableError, match=r"x.jsonl, line \d+") as caught:
            import_file(file, table)
        assert "\n" not in str(caught.value)
        assert sum(table.counts().values()) == 0


def _set(column: str, value: str, record: str = "end_to_end") -> Callable[[list[Any]], None]:
    def change(rows: list[dict[str, str]]) -> None:
        next(row for row in rows if row["record"] == record)[column] = value

    return change


def _drop(record: str) -> Callable[[list[Any]], None]:
    return lambda rows: rows.remove(next(row for row in rows if row["record"] == record))


def _double(rows: list[Any]) -> None:
    rows.append(next(row for row in rows if row["record"] == "kernel"))


@pytest.mark.parametrize(
    "change",
    [
        _set("record", "macro"),
        _set("record", ""),
        _set("schema_version", ""),
        _set("schema_version", "one"),
        _set("document", ""),
        _set("document", "{}"),
        _set("document", "[]"),
        _set("document", '{"id": "x", "restarts": [{}], "profile": null}'),
        _set("steady_wall_s", ""),
        _set("steady_wall_s", "[]"),
        _set("steady_wall_s", "[1, 2"),
        _set("steady_wall_s", "__import__('os')"),
        _set("warmup_wall_s", "[0.1, 0.2, 0.3]"),
        _set("profiled_wall_s", "[0.1]"),
        _set("profiled_wall_s", ""),
        _set("position", "", "kernel"),
        _set("position", "first", "kernel"),
        _set("measurement_id", "other", "kernel"),
        _set("durations_s", "[]", "kernel"),
        _set("durations_s", "", "kernel"),
        _set("document", "[]", "kernel"),
        _set("document", "{}", "failure"),
        _set("document", "{}", "calibration"),
        _drop("kernel"),
        _drop("end_to_end"),
        _double,
    ],
)
def test_a_bad_row_is_named_and_nothing_is_imported(
    tmp_path: Path, change: Callable[[list[Any]], None]
) -> None:
    file = tmp_path / "x.csv"
    with Table.open(tmp_path / "a.db") as table:
        # One with a profile first, so that its kernels are the first kernels.
        profiled = [m for m in map(example_measurement, range(30)) if m.profile is not None]
        for measurement in profiled[:3]:
            table.add(measurement)
        table.add_failure(example_failure(0))
        table.set_calibration(example_device(0), "node_cost_s", 1e-6)
        export(table, None, file)
    csv.field_size_limit(10**7)
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    change(rows)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with Table.open(tmp_path / "b.db") as table:
        with pytest.raises(TableError, match=r"x.csv, row \d+") as caught:
            import_file(file, table)
        assert "\n" not in str(caught.value)
        assert sum(table.counts().values()) == 0


def test_a_row_with_too_few_cells_is_named(table: Table, tmp_path: Path) -> None:
    fill(table, 1)
    export(table, "csv", tmp_path / "x.csv")
    with (tmp_path / "x.csv").open("a") as stream:
        stream.write("1,failure\r\n")
    with pytest.raises(TableError, match=r"row \d+: it has 2 cells"):
        import_file(tmp_path / "x.csv", table)


@pytest.mark.parametrize(
    "change",
    [
        lambda pa, t: t.drop_columns(["steady_wall_s"]),
        lambda pa, t: t.set_column(0, "schema_version", pa.array(["1"] * len(t))),
        lambda pa, t: t.replace_schema_metadata({}),
        lambda pa, t: t.replace_schema_metadata({b"hwprof": b"{}"}),
        lambda pa, t: t.replace_schema_metadata({b"hwprof": b"\xff"}),
        lambda pa, t: t.set_column(1, "record", pa.nulls(len(t), pa.string())),
        lambda pa, t: t.set_column(0, "schema_version", pa.nulls(len(t), pa.int64())),
        lambda pa, t: t.set_column(
            t.schema.names.index("document"), "document", pa.nulls(len(t), pa.string())
        ),
        lambda pa, t: t.set_column(
            t.schema.names.index("steady_wall_s"),
            "steady_wall_s",
            pa.array([[None] * 40] * len(t), pa.list_(pa.float64())),
        ),
    ],
)
def test_a_parquet_file_that_was_changed(
    table: Table, tmp_path: Path, change: Callable[[Any, Any], Any]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fill(table, 3)
    file = tmp_path / "x.parquet"
    export(table, None, file)
    changed = change(pa, pq.read_table(file))
    pq.write_table(changed, file)
    with pytest.raises(TableError, match=r"not an hwprof export|row \d"):
        import_file(file, table)


def test_the_csv_limit_of_other_code_is_left_alone(table: Table, tmp_path: Path) -> None:
    fill(table, 2)
    export(table, "csv", tmp_path / "x.csv")
    before = csv.field_size_limit(1000)
    try:
        import_file(tmp_path / "x.csv", table)
        assert csv.field_size_limit() == 1000
    finally:
        csv.field_size_limit(before)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, hwprof.lut, hwprof.testing.stores;"
        "print([m for m in ('pyarrow', 'onnx', 'onnxruntime', 'pytest') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_json_lines_cut_between_two_lines_are_noticed(table: Table, tmp_path: Path) -> None:
    fill(table, 3)
    file = tmp_path / "x.jsonl"
    export(table, None, file)
    lines = file.read_bytes().splitlines(keepends=True)
    with Table.open(tmp_path / "copy.db") as copy:
        for kept in range(1, len(lines)):
            file.write_bytes(b"".join(lines[:kept]))
            with pytest.raises(TableError, match="cut off"):
                import_file(file, copy)
        file.write_bytes(b"".join(lines[:-1] + lines))
        with pytest.raises(TableError, match="a new header at line"):
            import_file(file, copy)
        assert copy.counts()["measurements"] == 0


@pytest.mark.parametrize("column", ["steady_waited_s", "profiled_cpu_s"])
def test_a_row_lacks_what_its_version_needs(table: Table, tmp_path: Path, column: str) -> None:
    fill(table)
    file = tmp_path / "x.csv"
    export(table, "csv", file)
    file.write_text(file.read_text(encoding="utf-8").replace(column, "other", 1), encoding="utf-8")
    with pytest.raises(TableError, match=f"row 2, .* lacks the column {column}"):
        import_file(file, table)
