"""Pools of tables: which rows count, and what never shares a pool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwprof import spaces
from hwprof.errors import OptionError, TableError
from hwprof.graph import TensorSpec
from hwprof.measurement import MeasurementWarning, Values, WarningCode
from hwprof.predictors import pools
from hwprof.predictors.setting import Setting
from tests.predictors.pools.tables import SPACE, archs, device, row, written

A, B = device("a"), device("b")
ARCHS = archs(4)


def simple(start: int = 0, **changes):
    """Two devices that have measured the same architectures: 1, 2, 3 ms and twice that."""
    return [
        row(start + 10 * j + i, arch, on, 0.001 * (i + 1) * (j + 1), **changes)
        for j, on in enumerate((A, B))
        for i, arch in enumerate(ARCHS[:3])
    ]


def test_a_pool_is_what_the_table_holds(tmp_path: Path) -> None:
    path = written(tmp_path / "t.db", simple())
    made = pools.from_tables([path], SPACE)
    assert made.pool.names == tuple(ARCHS[:3])
    assert made.pool.devices == ("a", "b")
    np.testing.assert_allclose(made.pool.values, [[0.001, 0.002], [0.002, 0.004], [0.003, 0.006]])
    np.testing.assert_array_equal(made.pool.features, spaces.get(SPACE).encode(ARCHS[:3]))
    assert made.pool.setting == Setting(SPACE, batch=1, resolution=None, precision="fp32")
    assert made.left_out == ()
    source = made.sources[0]
    assert (source.name, source.fingerprint, source.slug) == ("a", A.fingerprint, A.slug)
    assert (source.rows, source.asked, source.runtime) == (3, "a:spin=on", "onnxruntime")
    assert [table.name for table in source.tables] == ["t.db"]
    assert len(source.tables[0].sha256 or "") == 64
    assert source.first < source.last


def test_repeats_count_with_their_median_and_their_scatter(tmp_path: Path) -> None:
    more = [
        row(50 + i, ARCHS[0], A, 0.001 * v, peak=p) for i, (v, p) in enumerate([(4, 9), (5, 8)])
    ]
    path = written(tmp_path / "t.db", simple() + more)
    made = pools.from_tables([path], SPACE)
    assert made.pool.values[0, 0] == pytest.approx(0.004)
    memory = pools.from_tables([path], SPACE, metric="peak_memory")
    assert memory.pool.values[0, 0] == 9
    assert memory.stored.std_error is not None
    assert memory.stored.std_error[0, 0] == pytest.approx(np.std([1000, 9, 8], ddof=1) / 3**0.5)
    assert np.isnan(memory.stored.std_error[1, 0])
    # Errors that measurements state of themselves do not hide how far apart they are.
    assert made.stored.std_error is not None
    scatter = np.std([0.001, 0.004, 0.005], ddof=1) / 3**0.5
    assert made.stored.std_error[0, 0] == pytest.approx(scatter)
    assert memory.sources[0].rows == 5


def test_cells_that_a_device_lacks_are_absent(tmp_path: Path) -> None:
    path = written(tmp_path / "t.db", [*simple(), row(90, ARCHS[3], B, 0.5)])
    pool = pools.from_tables([path], SPACE).pool
    assert np.isnan(pool.values).tolist() == [[False, False]] * 3 + [[True, False]]


@pytest.mark.parametrize(
    ("changes", "options", "says"),
    [
        ({"batch": 8}, {"batch": 8}, r"batch 1: 6 rows; batch 8: 6 rows\); choose with --batch"),
        ({"side": 64}, {"resolution": 64}, r"resolution of its own: 6 rows; resolution 64: 6"),
        ({"threads": 4}, {"threads": 4}, "threads 1: 6 rows; threads 4: 6 rows.*--threads"),
        ({"precision": "int8"}, {"precision": "int8"}, "precision fp32: 6 rows; precision int8"),
    ],
)
def test_settings_never_share_a_pool(tmp_path: Path, changes, options, says) -> None:
    others = simple(100)
    if {"threads", "precision"} & changes.keys():
        others = [replace(each, device=replace(each.device, **changes)) for each in others]
    else:
        others = simple(100, **changes)
    path = written(tmp_path / "t.db", simple() + others)
    with pytest.raises(OptionError, match=says) as error:
        pools.from_tables([path], SPACE)
    assert "\n" not in str(error.value)
    ((name, value),) = options.items()
    made = pools.from_tables([path], SPACE, **options)
    assert getattr(made.pool.setting, name) == value
    assert made.pool.measured.sum() == 6
    with pytest.raises(OptionError, match=rf"no measurement of {SPACE} is of {name}"):
        pools.from_tables([path], SPACE, **{name: "fp16" if name == "precision" else 77})


def test_an_architectures_own_side_is_no_resolution_unless_it_is_forced_on_others(tmp_path) -> None:
    own = spaces.get(SPACE).resolution(ARCHS[0])
    forced = [
        row(10 * j + i, arch, on, 0.001 * (i + 1), side=own)
        for j, on in enumerate((A, B))
        for i, arch in enumerate(ARCHS[:3])
    ]
    made = pools.from_tables([written(tmp_path / "t.db", forced)], SPACE, resolution=own)
    assert made.pool.setting == Setting(SPACE, resolution=own)
    assert made.pool.rows == 3
    # Among sides of their own, one can be asked for.
    sides = {arch: spaces.get(SPACE).resolution(arch) for arch in archs(30)}
    side = max(set(sides.values()), key=[*sides.values()].count)
    rows = [
        row(100 * j + i, arch, on, 0.01 * (i + 1))
        for j, on in enumerate((A, B))
        for i, arch in enumerate(sides)
    ]
    some = pools.from_tables([written(tmp_path / "o.db", rows)], SPACE, resolution=side)
    assert some.pool.rows == [*sides.values()].count(side) > 1
    # What all have by themselves is not forced on any.
    fixed = "fbnet"
    names = archs(2, fixed)
    side = spaces.get(fixed).resolution(names[0])
    rows = [row(i, names[i % 2], (A, B)[i // 2], 0.01, side=side) for i in range(4)]
    path = written(tmp_path / "f.db", rows)
    for asked in (None, side):
        setting = pools.from_tables([path], fixed, resolution=asked).pool.setting
        assert setting == Setting(fixed)


def test_a_native_runtime_computes_as_the_model_is(tmp_path: Path) -> None:
    mixed = [*simple()[:3]]
    mixed += [replace(each, device=replace(B, precision="fp32")) for each in simple()[3:]]
    setting = pools.from_tables([written(tmp_path / "t.db", mixed)], SPACE).pool.setting
    assert setting is not None
    assert setting.precision == "fp32"
    image = TensorSpec("image", "uint8", (1, 3, 224, 224))
    whole = [replace(e, subject=replace(e.subject, inputs=(image,))) for e in simple()]
    made = pools.from_tables([written(tmp_path / "8.db", whole)], SPACE, resolution=224)
    assert made.pool.setting == Setting(SPACE, resolution=224, precision="int8")


def test_only_what_was_measured_counts_unless_more_is_asked_for(tmp_path: Path) -> None:
    told = row(60, ARCHS[3], A, 0.004, source="imported")
    emulated = replace(A, hardware=replace(A.hardware, emulated=True))
    rows = [*simple(), told, row(61, ARCHS[3], emulated), row(62, ARCHS[0], emulated)]
    path = written(tmp_path / "t.db", rows)
    made = pools.from_tables([path], SPACE)
    assert made.pool.rows == 3
    assert sorted(made.left_out) == [
        "it is imported, not measured here (--include imported)",
        *["it was run on emulated hardware, whose costs mean nothing"] * 2,
    ]
    more = pools.from_tables([path], SPACE, include=["imported"])
    assert more.pool.rows == 4
    assert more.sources[0].origins == ("imported", "measured")
    assert more.pool.devices == ("a", "b")
    with pytest.raises(OptionError, match="'guessed' is not a source; choose one of measured"):
        pools.from_tables([path], SPACE, include=["guessed"])


def test_energy_is_gross_or_net_and_net_is_never_clipped(tmp_path: Path) -> None:
    rows = simple(joules=(0.5, 0.2))
    rows[0] = row(0, ARCHS[0], A, 0.001, joules=(0.5, 0.6))
    path = written(tmp_path / "t.db", rows)
    gross = pools.from_tables([path], SPACE, metric="energy_gross").pool
    assert gross.metric.name == "energy_gross"
    np.testing.assert_allclose(gross.values, 0.5)
    net = pools.from_tables([path], SPACE, metric="energy_net")
    assert np.isnan(net.pool.values[0, 0])
    assert np.nanmax(net.pool.values) == pytest.approx(0.3)
    assert net.left_out == (
        "running took no more energy than idling: its net energy is not positive",
    )


def test_a_metric_that_tables_lack_names_those_they_have(tmp_path: Path) -> None:
    path = written(tmp_path / "t.db", simple(peak=None))
    with pytest.raises(OptionError, match=r"no energy_gross .*no sensor.*they have latency \(6 ro"):
        pools.from_tables([path], SPACE, metric="energy_gross")
    with pytest.raises(OptionError, match=r"holds latency, energy.* and not flops"):
        pools.from_tables([path], SPACE, metric="flops")


def test_pools_that_cannot_be(tmp_path: Path) -> None:
    rows = simple()
    one = written(tmp_path / "one.db", rows[:3])
    with pytest.raises(OptionError, match=r"needs 2 devices .* there is only example-cpu"):
        pools.from_tables([one], SPACE)
    single = written(tmp_path / "single.db", [rows[0], rows[3]])
    with pytest.raises(OptionError, match="latency of a single architecture of mobilenetv3"):
        pools.from_tables([single], SPACE)
    with pytest.raises(OptionError, match=r"they are architectures of mobilenetv3; name that"):
        pools.from_tables([one], "fbnet")
    with pytest.raises(OptionError, match=r"no device of .* matches 'phone'; there are example"):
        pools.from_tables([one], SPACE, device=["phone"])
    empty = written(tmp_path / "empty.db", [])
    with pytest.raises(OptionError, match="holds no measurements; 'hwprof measure --space"):
        pools.from_tables([empty], SPACE)
    with pytest.raises(OptionError, match="there are no tables"):
        pools.from_tables([], SPACE)
    with pytest.raises(OptionError, match="unknown search space 'darts'"):
        pools.from_tables([one], "darts")


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no table")
    cut = written(tmp_path / "t.db", simple()).read_bytes()
    (tmp_path / "cut.db").write_bytes(cut[: len(cut) // 2])
    for name in ("text.db", "cut.db", "gone.db"):
        with pytest.raises(TableError) as error:
            pools.from_tables([tmp_path / name], SPACE)
        assert "\n" not in str(error.value)


def test_a_measurement_in_two_tables_counts_once(tmp_path: Path) -> None:
    rows = simple()
    one = written(tmp_path / "1.db", rows)
    two = written(tmp_path / "2.db", [rows[0], row(70, ARCHS[3], A, 0.007)])
    made = pools.from_tables([one, two], SPACE)
    assert made.sources[0].rows == 4
    assert [table.name for table in made.sources[0].tables] == ["1.db", "2.db"]
    assert made.pool.rows == 4


def test_inputs_that_hold_something_else_are_left_out(tmp_path: Path) -> None:
    given = (Values("image", "x.npy", "given", "ab" * 32),)
    rows = simple()
    rows[1] = replace(rows[1], subject=replace(rows[1].subject, values=given))
    made = pools.from_tables([written(tmp_path / "t.db", rows)], SPACE)
    assert np.isnan(made.pool.values[1, 0])
    assert made.left_out == ("image held other values than in most of the measurements",)


def test_what_the_machine_did_beside_is_kept(tmp_path: Path) -> None:
    busy = (MeasurementWarning(WarningCode.CONTENDED, "busy"),)
    rows = [replace(each, warnings=busy) if i < 2 else each for i, each in enumerate(simple())]
    made = pools.from_tables([written(tmp_path / "t.db", rows)], SPACE)
    assert [source.contended for source in made.sources] == [2, 0]


def test_devices_are_called_by_what_tells_them_apart(tmp_path: Path) -> None:
    newer = replace(A, runtime_version="9.9")
    other = replace(A, hardware=replace(A.hardware, cpu="Other CPU"))
    rows = [
        row(10 * j + i, arch, on, 0.01)
        for j, on in enumerate((A, newer, other))
        for i, arch in enumerate(ARCHS[:2])
    ]
    path = written(tmp_path / "t.db", rows)
    made = pools.from_tables([path], SPACE)
    hardware = "example-cpu-2.50ghz-8c"
    assert made.pool.devices == (f"{hardware}-1.20.1", f"{hardware}-9.9", "other-cpu-8c-1.20.1")
    # A name alone is enough where it is of one device only.
    narrowed = pools.from_tables([path], SPACE, device=["*9.9*", other.fingerprint])
    assert narrowed.pool.devices == (hardware, "other-cpu-8c")
