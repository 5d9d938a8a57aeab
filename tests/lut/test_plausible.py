"""Figures that no machine gives: refused on import, and told of where a table has them already."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwprof.errors import TableError
from hwprof.graph import Kernel, TensorSpec
from hwprof.lut import Table, export, import_file
from hwprof.lut.plausible import check_constant, check_measurement
from hwprof.measurement import EnergyReading, Measurement, Memory
from hwprof.opcosts.known import flops_or_none
from hwprof.report.document import json_text, measurement_document
from hwprof.report.text import kernels_page, measurement_page
from hwprof.samples import Samples
from hwprof.testing.stores import example_measurement
from tests.lut.test_bad_tables import run_sql

PROFILED = next(m for m in map(example_measurement, range(30)) if m.profile is not None)


def steady(samples: Samples) -> Measurement:
    restarts = tuple(replace(r, steady=samples) for r in PROFILED.restarts)
    return replace(PROFILED, restarts=restarts)


def restarted(**changes: Any) -> Measurement:
    return replace(PROFILED, restarts=(replace(PROFILED.restarts[0], **changes),))


def profiled(**changes: Any) -> Measurement:
    assert PROFILED.profile is not None
    return replace(PROFILED, profile=replace(PROFILED.profile, **changes))


def occurring(**changes: Any) -> Measurement:
    assert PROFILED.profile is not None
    first, *others = PROFILED.profile.occurrences
    return profiled(occurrences=(replace(first, **changes), *others))


def computing(**changes: Any) -> Measurement:
    assert PROFILED.profile is not None
    return occurring(kernel=replace(PROFILED.profile.occurrences[0].kernel, **changes))


def reading(**changes: Any) -> Measurement:
    usual = EnergyReading("rapl", "package", 10, 2.0, 10.0, 1.0, 1.0, 0.001)
    return replace(PROFILED, energy=replace(PROFILED.energy, reading=replace(usual, **changes)))


IMPOSSIBLE = {
    "no samples": steady(Samples(np.empty(0))),
    "no time": steady(Samples(np.zeros(9))),
    "less than a picosecond": steady(Samples(np.full(9, 5e-324))),
    "longer than anything": steady(Samples(np.full(9, 1e308))),
    "endless work": steady(Samples(np.ones(9), np.full(9, 1e308))),
    "loops": steady(Samples(np.ones(9), loops=2**50)),
    "set-up before it began": restarted(setup_s=-0.1),
    "endless set-up": restarted(setup_s=1e308),
    "first run before it began": restarted(first_run_s=-1e-9),
    "threads": replace(PROFILED, device=replace(PROFILED.device, threads=0)),
    "memory": replace(PROFILED, memory=Memory(10, -5)),
    "all memory": replace(PROFILED, memory=Memory(0, 2**62)),
    "energy": reading(gross_j=1e308),
    "a window of nothing": reading(idle_window_s=5e-324),
    "profiler": profiled(node_cost_s=1e308),
    "calls": occurring(calls=2**40),
    "dimensions": computing(inputs=(TensorSpec("x", "float32", (1,) * 99),)),
    "elements": computing(outputs=(TensorSpec("x", "float32", (2**40, 2**40)),)),
    "hidden elements": computing(outputs=(TensorSpec("x", "float32", (2**40, 0, 2**40)),)),
    "negative size": computing(inputs=(TensorSpec("x", "float32", (-1, 3)),)),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_no_table_takes_it(tmp_path: Path, what: str) -> None:
    with Table.open(tmp_path / "t.db") as table:
        with pytest.raises(TableError, match=r"cannot be stored because .*: correct") as caught:
            table.add(IMPOSSIBLE[what])
        assert "\n" not in str(caught.value)
        assert table.ids() == []


@pytest.mark.parametrize("fmt", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("what", ["no time", "set-up before it began", "threads", "elements"])
def test_no_import_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fmt: str, what: str
) -> None:
    file = tmp_path / f"x.{fmt}"
    with Table.open(tmp_path / "a.db") as table:
        table.add(example_measurement(3))
        with monkeypatch.context() as patch:
            patch.setattr("hwprof.lut.pack.check_measurement", lambda measurement: None)
            patch.setattr("hwprof.lut.pack_profile.check_kernel", lambda kernel: None)
            table.add(replace(IMPOSSIBLE[what], created_at="2030-01-01T00:00:00Z"))
            export(table, None, file)
    with Table.open(tmp_path / "b.db") as table:
        with pytest.raises(TableError, match=r"(line|row) \d+") as caught:
            import_file(file, table)
        assert PROFILED.id in str(caught.value)
        assert "\n" not in str(caught.value)
        assert table.ids() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE restart SET setup_s = -1.0",
        "UPDATE restart SET setup_s = 9e999",
        "UPDATE restart SET steady_n = 0, steady_wall = x'789c030000000001', steady_cpu = NULL, "
        "steady_switches = NULL, steady_busy = NULL, steady_waited = NULL",
        "UPDATE restart SET steady_loops = 1 << 62",
        "UPDATE measurement SET created_at = 'soon'",
        "UPDATE measurement SET source = 'guessed'",
        "UPDATE measurement SET document = replace(document, '{', '[')",
        "UPDATE profile SET node_cost_s = 1e308",
        "UPDATE profile SET runs = 1 << 40",
        'UPDATE kernel SET inputs = \'[{"name":"","dtype":"int8","shape":[-4]}]\'',
        "UPDATE kernel SET attributes = '{\"a\":\"' || hex(zeroblob(600000)) || '\"}'",
        "UPDATE kernel_occurrence SET calls = 1 << 40",
        "UPDATE device SET spec = replace(spec, '\"threads\":', '\"threads\":-')",
        "UPDATE device SET spec = spec || hex(zeroblob(40000))",
    ],
)
def test_a_row_that_has_it_is_told_and_the_others_are_read(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "t.db"
    other = replace(
        example_measurement(4), profile=None, device=replace(PROFILED.device, threads=31)
    )
    with Table.open(path) as table:
        table.add(other)
        table.add(PROFILED)
    where = {
        "measurement": f"id = '{PROFILED.id}'",
        "device": f"fingerprint = '{PROFILED.device.fingerprint}'",
        "kernel": "1",
    }
    changed = statement.split()[1]
    own = where.get(changed, f"measurement_id = '{PROFILED.id}'")
    run_sql(path, f"{statement} WHERE {own}")
    damaged: list[TableError] = []
    with Table.open(path, readonly=True) as table:
        assert list(table.measurements(on_damage=damaged.append)) == [other]
        with pytest.raises(TableError, match="damaged"):
            list(table.measurements())
    assert len(damaged) == 1
    assert PROFILED.id in str(damaged[0])
    assert "\n" not in str(damaged[0])


@pytest.mark.parametrize("column", ["steady_wall", "durations"])
def test_a_small_array_stands_for_no_large_one(tmp_path: Path, column: str) -> None:
    path = tmp_path / "t.db"
    with Table.open(path) as table:
        table.add(PROFILED)
    n = 2**24
    blob = zlib.compress(bytes(8 * n), 9).hex()
    if column == "steady_wall":
        run_sql(
            path,
            f"UPDATE restart SET steady_n = {n}, steady_wall = x'{blob}', steady_cpu = NULL, "
            "steady_switches = NULL, steady_busy = NULL, steady_waited = NULL",
        )
    else:
        run_sql(path, f"UPDATE profile SET runs = {n}, run_wall = x'{blob}'")
    with (
        Table.open(path, readonly=True) as table,
        pytest.raises(TableError, match=r"promises \d+ timings in \d+ bytes"),
    ):
        table.get(PROFILED.id)


def test_what_is_possible_is_shown_whatever_it_is_called(tmp_path: Path) -> None:
    name = "[bold]x[/nothing]\x1b[31m\n=1+1"
    kernels = (
        Kernel(name, name, {name: name}, (), ()),
        Kernel("", "Conv", {"group": "0", "kernel_shape": "9" * 5000}, (), ()),
        Kernel("", "Conv", {"group": "0"}, (TensorSpec("x", "float32", (1, 4, 8, 8)),) * 2, ()),
        Kernel("", "Gemm", {}, (None, None), (None,)),
        Kernel("", "MatMul", {}, (TensorSpec("x", "float32", ()),) * 2, (None,)),
        Kernel(
            "",
            "AveragePool",
            {"kernel_shape": ",".join(["9" * 18] * 20)},
            (TensorSpec("x", "float32", (1, 4, 8, 8)), TensorSpec("w", "float32", (4, 4, 9, 9))),
            (TensorSpec("y", "float32", (1, 4, 8, 8)),),
        ),
    )
    assert PROFILED.profile is not None
    first = PROFILED.profile.occurrences[0]
    wild = replace(
        profiled(occurrences=tuple(replace(first, kernel=k, name=name) for k in kernels)),
        subject=replace(PROFILED.subject, name=name),
    )
    file = tmp_path / "x.jsonl"
    with Table.open(tmp_path / "a.db") as table, Table.open(tmp_path / "b.db") as copy:
        table.add(wild)
        export(table, None, file)
        import_file(file, copy)
        (found,) = copy.measurements()
    assert found == wild
    for page in (measurement_page(found), kernels_page(found)):
        text = page.plain()
        assert "[bold]x[/nothing]\\x1b[31m" in text
        assert "\x1b" not in text
    shown = json.loads(json_text(measurement_document(found)))
    assert shown["model"] == name
    assert [flops_or_none(kernel) for kernel in (kernels[1], kernels[-1])] == [None, None]


def test_every_example_is_possible() -> None:
    for seed in range(40):
        check_measurement(example_measurement(seed))
    for value in (float("nan"), float("inf"), -1e300):
        with pytest.raises(ValueError, match="its value is"):
            check_constant(value)


def test_numbers_beyond_64_bits_are_still_written(tmp_path: Path) -> None:
    huge = replace(PROFILED, provenance=replace(PROFILED.provenance, throttle_events=2**70))
    assert json.loads(json_text(measurement_document(huge)))["provenance"]["throttle_events"] == (
        2**70
    )


@pytest.mark.parametrize("fmt", ["jsonl", "csv", "parquet"])
def test_only_files_are_imported(tmp_path: Path, fmt: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with Table.open(tmp_path / "t.db") as table:
        for path in (tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises(TableError, match="not a regular file: copy"):
                import_file(path, table, fmt)


@pytest.mark.parametrize(
    ("fmt", "limit", "says"),
    [
        ("jsonl", "hwprof.lut.exchange.jsonl._LINE_BYTES", "line 2, record: it is longer than"),
        ("jsonl", "hwprof.lut.exchange.jsonl._DEVICE_BYTES", ""),
        ("csv", "hwprof.lut.exchange.csv._CELL_LETTERS", "field larger than field limit"),
    ],
)
def test_lines_and_cells_have_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fmt: str, limit: str, says: str
) -> None:
    file = tmp_path / f"x.{fmt}"
    with Table.open(tmp_path / "t.db") as table:
        table.add(PROFILED)
        export(table, None, file)
        monkeypatch.setattr(limit, 200)
        with pytest.raises(TableError, match=says or "line 2, device: it is longer than"):
            import_file(file, table)


@pytest.mark.parametrize(
    "text",
    ["9" * 5000, "[" * 100_000 + "]" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, "1e999", "NaN"],
)
@pytest.mark.parametrize("place", ["setup_s", "plan", "batch", "shape"])
def test_deep_and_long_json_is_one_sentence(tmp_path: Path, place: str, text: str) -> None:
    file = tmp_path / "x.jsonl"
    with Table.open(tmp_path / "t.db") as table:
        table.add(PROFILED)
        export(table, None, file)
    content = file.read_text(encoding="utf-8")
    changed = content.replace(f'"{place}":', f'"{place}":{text},"was":', 1)
    assert changed != content
    file.write_text(changed, encoding="utf-8")
    with Table.open(tmp_path / "b.db") as table:
        with pytest.raises(TableError, match=r"x.jsonl, line \d") as caught:
            import_file(file, table)
        assert len(str(caught.value)) < 1000
