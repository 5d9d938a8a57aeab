"""Measurements of any metric from files and tables, and what of them is told or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hwprof.errors import OptionError
from hwprof.graph import TensorSpec
from hwprof.lut import Table
from hwprof.measurement import Energy, EnergyReading, Measurement, Memory, Values
from hwprof.metrics import LATENCY, METRICS, Metric
from hwprof.predictors.measurements import ArchCost, Wanted, read, read_measurements
from hwprof.testing.examples import example_measurement

SPACE = "nasbench201"
ENERGY, MEMORY = METRICS["energy"], METRICS["peak_memory"]
ARCHS = [f"|{op}~0|+|none~0|none~1|+|none~0|none~1|none~2|" for op in ("none", "skip_connect")]
ARCHS += ["|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|none~2|"]


def written(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("column", "given", "metric", "value"),
    [
        ("energy_J", "0.5", "energy", 0.5),
        ("energy_mJ", "5", "energy", 5e-3),
        ("energy_uJ", "5", "energy", 5e-6),
        ("energy_kJ", "5", "energy", 5e3),
        ("peak_memory_B", "7", "peak_memory", 7.0),
        ("peak_memory_MB", "1.5", "peak_memory", 1.5e6),
        ("peak_memory_MiB", "2", "peak_memory", 2.0**21),
        ("memory_kB", "3", "memory", 3e3),
        ("latency_s", "3", "latency", 3.0),
        ("latency_ms", "3", "latency", 3e-3),
        ("latency_us", "3", "latency", 3e-6),
    ],
)
def test_a_column_is_metric_and_unit(
    tmp_path: Path, column: str, given: str, metric: str, value: float
) -> None:
    wanted = [ArchCost("x", pytest.approx(value), None, METRICS[metric])]
    table = written(tmp_path / "a.csv", f"arch,{column}\nx,{given}\n")
    lines = written(tmp_path / "a.jsonl", json.dumps({"arch": "x", column: float(given)}))
    for path in (table, lines):
        assert read_measurements(path, SPACE) == wanted
        assert read_measurements(path, SPACE, metric=metric) == wanted
        assert read(path, SPACE).metric is METRICS[metric]


def test_a_metric_of_ones_own_is_asked_for_by_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "arch,accuracy_loss,carbon_mg,latency_ms\nx,0.25,3,1\n")
    (loss,) = read_measurements(path, SPACE, metric="accuracy_loss")
    assert (loss.value, loss.metric.name, loss.metric.unit) == (0.25, "accuracy_loss", "")
    grams = Metric("carbon", {"g": 1.0, "mg": 1e-3}, "3mg")
    (carbon,) = read_measurements(path, SPACE, metric=grams)
    assert (carbon.value, carbon.metric) == (pytest.approx(3e-3), grams)


def test_errors_are_in_a_unit_of_the_metric(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.csv",
        "arch,latency_ms,std_error_s,energy_mJ,std_error_mJ\nx,12.5,0.001,4,0.5\ny,8,,2,\n",
    )
    latencies = read_measurements(path, SPACE)
    assert [(m.latency_s, m.std_error_s) for m in latencies] == [(0.0125, 0.001), (0.008, None)]
    joules = read_measurements(path, SPACE, metric="energy")
    assert [(m.value, m.std_error) for m in joules] == [(4e-3, 5e-4), (2e-3, None)]
    for name in ("latency_s", "std_error_s"):
        with pytest.raises(OptionError, match="this measurement is of energy in joules"):
            getattr(joules[0], name)


def test_of_several_metrics_latency_is_taken_or_one_is_to_be_named(tmp_path: Path) -> None:
    three = written(tmp_path / "a.csv", "arch,energy_J,latency_s,peak_memory_B\nx,2,3,4\ny,2,3,4\n")
    assert read(three, SPACE).metric is LATENCY
    two = written(tmp_path / "b.csv", "arch,energy_J,latency_s,peak_memory_B\nx,2,,4\n")
    with pytest.raises(OptionError, match=r"holds energy, peak_memory; choose one with --metric"):
        read(two, SPACE)
    assert read(two, SPACE, metric="energy").measured[0].value == 2.0
    counted = written(tmp_path / "c.csv", "arch,flops,energy_J\nx,9,2\n")
    assert read(counted, SPACE).metric is ENERGY


@pytest.mark.parametrize(
    ("content", "metric", "says"),
    [
        ("arch,energy_mJ\nx,1\ny,0\n", "energy", "line 3 of .* has the energy '0'; what is"),
        ("arch,energy_mJ\nx,-2\n", None, "line 2 of .* has the energy '-2'"),
        ("arch,energy_mJ\nx,nan\n", None, "line 2 of .* has the energy 'nan'"),
        ("arch,energy_mJ\nx,1e999\n", None, "has the energy '1e999'"),
        ("arch,energy_uJ\nx,1e-323\n", None, "has the energy '1e-323'"),
        ("arch,energy_J\nx,soon\n", None, "line 2 of .* has 'soon' where a number should"),
        ("arch,peak_memory_MB\nx,1\ny,\n", None, r"line 3 .* needs arch and peak_memory_B \(or"),
        ("arch,energy_mj\nx,1\n", "energy", r"line 2 .* needs arch and energy_J \(or energy_kJ"),
        ("arch,energy_MJ\nx,1\n", None, "line 2 .* needs arch and latency_s"),
        ("arch,latency_s\nx,1\n", "energy", "line 2 .* needs arch and energy_J"),
        ("arch,loss_s\nx,1\n", "loss", "line 2 .* needs arch and loss; add"),
        ("arch,energy_J\n", "energy", "holds no measurement"),
        ("arch,energy_J\nx,1\n", "a\nb", "printable characters"),
    ],
)
def test_what_is_no_measurement_is_named(
    tmp_path: Path, content: str, metric: str | None, says: str
) -> None:
    with pytest.raises(OptionError, match=says) as error:
        read_measurements(written(tmp_path / "a.csv", content), SPACE, metric=metric)
    assert "\n" not in str(error.value)


IMAGE = TensorSpec("image", "float32", (1, 3, 32, 32))


def measured(seed: int, arch: str, joules: float | None, peak: int | None) -> Measurement:
    one = example_measurement(seed)
    reading = None
    if joules is not None:
        reading = EnergyReading("rapl", "package", 10, 2.0, 10 * joules, 1.0, 0.0, 1e-3)
    memory = Memory(1000, None if peak is None else 1000 + peak)
    if peak is None:
        memory = replace(memory, absent={"peak_rss_bytes": "no /proc here"})
    return replace(
        one,
        subject=replace(one.subject, name=arch, inputs=(IMAGE,), batch=1, values=()),
        device=example_measurement(0).device,
        source="measured",
        energy=Energy(reading, "" if reading else "no energy sensor"),
        memory=memory,
    )


def table_of(path: Path, *rows: Measurement) -> Path:
    with Table.open(path) as table:
        for row in rows:
            table.add(row)
    return path


def test_a_table_gives_the_metric_that_is_asked_and_tells_what_lacks_it(tmp_path: Path) -> None:
    path = table_of(
        tmp_path / "t.db",
        measured(1, ARCHS[0], 0.5, 3_000_000),
        measured(2, ARCHS[1], None, 4_000_000),
        measured(3, ARCHS[2], 0.25, None),
    )
    energy = read(path, SPACE, metric="energy")
    assert {m.arch: m.value for m in energy.measured} == {ARCHS[0]: 0.5, ARCHS[2]: 0.25}
    assert energy.left_out == ("no energy sensor",)
    for name in ("peak_memory", "memory"):
        memory = read(path, SPACE, metric=name)
        assert {m.arch: m.value for m in memory.measured} == {ARCHS[0]: 3e6, ARCHS[1]: 4e6}
        assert {m.metric for m in memory.measured} == {METRICS[name]}
        assert memory.left_out == ("no /proc here",)
    latency = read(path, SPACE)
    assert (latency.metric, len(latency.measured), latency.left_out) == (LATENCY, 3, ())


@pytest.mark.parametrize(
    ("row", "metric", "says"),
    [
        (
            (None, 5),
            "energy",
            r"holds no energy of an architecture of nasbench201 to take \(no energy",
        ),
        ((0.5, None), "peak_memory", r"holds no peak_memory .*\(no /proc here\)"),
        ((0.0, 5), "energy", "its energy is 0 J, which is not positive"),
        ((0.5, 0), "peak_memory", "its peak_memory is 0 B, which is not positive"),
        ((0.5, -5), "memory", "its memory is -5 B, which is not positive"),
        ((0.5, 5), "carbon", "a table of hwprof holds latency, .*energy, .*memory, peak_memory"),
    ],
)
def test_a_table_without_the_metric_is_refused(
    tmp_path: Path, row: tuple[float | None, int | None], metric: str, says: str
) -> None:
    path = table_of(tmp_path / "t.db", measured(1, ARCHS[0], *row))
    with pytest.raises(OptionError, match=says) as error:
        read(path, SPACE, metric=metric)
    assert "\n" not in str(error.value)


def of_batch(row: Measurement, batch: int, side: int = 32) -> Measurement:
    image = replace(IMAGE, shape=(batch, 3, side, side))
    return replace(row, subject=replace(row.subject, inputs=(image,), batch=batch))


def test_what_differs_in_setting_is_never_read_together(tmp_path: Path) -> None:
    rows = [measured(seed, ARCHS[0], 0.5, 5) for seed in range(1, 4)]
    one, eight, large = rows[0], of_batch(rows[1], 8), of_batch(rows[2], 1, 64)
    path = table_of(tmp_path / "t.db", one, eight, large)
    with pytest.raises(OptionError, match=r"batch 8.*1 rows.*choose with --batch --resolution"):
        read(path, SPACE)
    for wanted, row, resolution in (
        (Wanted(batch=8), eight, None),
        (Wanted(resolution=64), large, 64),
        (Wanted(batch=1, resolution=32), one, None),
    ):
        found = read(path, SPACE, wanted=wanted)
        assert [each.value for each in found.measured] == [row.latency.headline_s]
        assert found.setting is not None
        assert (found.setting.batch, found.setting.resolution) == (
            row.subject.batch,
            resolution,
        )
    with pytest.raises(OptionError, match="no measurement of nasbench201 is of batch 3"):
        read(path, SPACE, wanted=Wanted(batch=3))


def test_rows_of_another_origin_count_when_asked(tmp_path: Path) -> None:
    theirs = replace(measured(1, ARCHS[0], 0.5, 5), source="imported")
    path = table_of(tmp_path / "t.db", theirs)
    with pytest.raises(OptionError, match="it is imported, not measured here"):
        read(path, SPACE)
    assert len(read(path, SPACE, wanted=Wanted(include=("imported",))).measured) == 1


def test_devices_are_told_apart_after_settings_and_by_their_fingerprints(tmp_path: Path) -> None:
    rows = [measured(seed, ARCHS[0], 0.5, 5) for seed in range(1, 4)]
    four = replace(rows[1], device=replace(rows[1].device, threads=4))
    hardware = replace(rows[2].device.hardware, memory_bytes=7)
    twin = replace(rows[2], device=replace(rows[2].device, hardware=hardware))
    path = table_of(tmp_path / "threads.db", rows[0], four)
    found = read(path, SPACE, wanted=Wanted(threads=4))
    assert [each.value for each in found.measured] == [four.latency.headline_s]
    path = table_of(tmp_path / "twins.db", rows[0], twin)
    with pytest.raises(OptionError, match=f"several devices .*{twin.device.fingerprint}") as error:
        read(path, SPACE)
    assert rows[0].device.fingerprint in str(error.value)
    assert len(read(path, SPACE, twin.device.fingerprint).measured) == 1


def test_rows_whose_inputs_held_something_else_are_left_out(tmp_path: Path) -> None:
    rows = [measured(seed, ARCHS[0], 0.5, 5) for seed in range(1, 5)]
    given = Values("image", "x.npy", "given", sha256="ab" * 32)
    odd = replace(rows[3], subject=replace(rows[3].subject, values=(given,)))
    found = read(table_of(tmp_path / "t.db", *rows[:3], odd), SPACE)
    assert len(found.measured) == 3
    assert found.left_out == ("image held other values than in most of the measurements",)


def test_a_file_that_does_not_tell_its_setting_is_not_asked_for_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "arch,latency_ms\nx,1\n")
    assert len(read(path, SPACE, wanted=Wanted()).measured) == 1
    for wanted in (Wanted(batch=8), Wanted(include=("imported",))):
        with pytest.raises(OptionError, match="is no table of hwprof, and does not say"):
            read(path, SPACE, wanted=wanted)
