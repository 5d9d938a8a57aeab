"""`hwprof adapt` and `predict` where the metric is not latency."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.lut import Table
from hwprof.predictors import pools, shipped
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.known import KnownDevices
from hwprof.predictors.measurements import ArchCost
from hwprof.predictors.pool import DevicePool
from tests.cli.conftest import Result
from tests.predictors.test_metric_measurements import ENERGY, MEMORY, measured

Cli = Callable[..., Result]
SPACE = "nasbench201"
STORED = Path(__file__).parents[1] / "stored/second"
CELL = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@pytest.fixture(scope="module")
def pool() -> DevicePool:
    return pools.read(STORED / f"{SPACE}-pool.safetensors").subset(
        ["1080ti_1", "silver_4114", "samsung_a50"]
    )


@pytest.fixture(scope="module")
def of_latency(pool: DevicePool) -> FewShotPredictor:
    return FewShotPredictor.fit(pool, similarity=spaces.get(SPACE).similarity())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, pool: DevicePool, of_latency: FewShotPredictor) -> None:
    """The stored pool of forty architectures in place of the shipped one."""
    monkeypatch.setattr(pools, "load", lambda space: pool)
    monkeypatch.setattr(KnownDevices, "fit", lambda self: of_latency)


def joules_of(pool: DevicePool) -> dict[str, float]:
    """What a device like two of the pool's draws, not quite in proportion to their times."""
    assert pool.names is not None
    noise = np.exp(0.03 * np.random.default_rng(0).standard_normal(pool.rows))
    return dict(zip(pool.names, (pool.values[:, 1] + pool.values[:, 2]) * noise, strict=True))


@pytest.fixture
def ten(tmp_path: Path, pool: DevicePool) -> Path:
    rows = [f"{arch},{1e3 * joules}" for arch, joules in list(joules_of(pool).items())[::4]]
    path = tmp_path / "ten.csv"
    path.write_text("\n".join(["arch,energy_mJ", *rows]))
    return path


ADAPT = ("adapt", "--space", SPACE, "-o", "my.device", "--measurements")
ASK = ("predict", "--predictor", "my.device")


@pytest.mark.usefixtures("small")
def test_energy_from_the_shape_of_latencies(hwprof: Cli, ten: Path, pool: DevicePool) -> None:
    done = hwprof(*ADAPT, ten, "--metric", "energy")
    assert done.code == 0
    assert done.err.startswith("the pool has only 3 devices")
    shape = "of energy in joules, with the shape that the pool's devices have in latency"
    assert shape in done.out
    told = hwprof(*ASK, "--all")
    assert told.code == 0
    assert told.err == "energy, with the shape of the pool's latency\n"
    assert len(told.out.splitlines()) == 40
    assert all(line.startswith("energy ") and "J  [" in line for line in told.out.splitlines())
    rows = hwprof(*ASK, "--all", "--json").json
    assert {(row["metric"], row["unit"]) for row in rows} == {("energy", "J")}
    assert not [key for key in rows[0] if key.endswith("_s")]
    truth = joules_of(pool)
    both = [[row["mean"], truth[row["arch"]]] for row in rows]
    assert np.corrcoef(np.transpose(both))[0, 1] > 0.9
    low, high = rows[0]["interval90"]
    assert low <= rows[0]["mean"] <= high
    limit = f"{1e3 * rows[20]['mean']}mJ"
    half = hwprof(*ASK, "--all", "--max", limit, "--quantile", "0.5", "--json")
    safe = hwprof(*ASK, "--all", "--max", limit, "--json")
    assert half.err == f"kept: those that stay within {limit} with probability 0.5\n"
    assert safe.err == f"kept: those that stay within {limit} with probability 0.9\n"
    assert 0 < len(safe.json) < len(half.json) < 40
    every = {row["arch"]: row["interval90"][1] for row in rows}
    # The upper end of a 90 % interval is the 95 % quantile: what keeps it is safe at 90 % too.
    surely = {a for a, high in every.items() if high <= rows[20]["mean"]}
    assert surely <= {row["arch"] for row in safe.json}


@pytest.mark.usefixtures("small")
def test_limits_speak_the_predictors_metric(hwprof: Cli, ten: Path) -> None:
    assert hwprof(*ADAPT, ten, "--metric", "energy").code == 0
    assert "--max-latency is for predictors of latency, but this one is of energy in joules" in (
        hwprof(*ASK, "--all", "--max-latency", "15ms").error
    )
    both = hwprof(*ASK, "--all", "--max-latency", "15ms", "--max", "2mJ")
    assert "--max-latency and --max are one limit; give one of them" in both.error
    assert "--max-memory is for predictors of peak_memory, but this one is of energy" in (
        hwprof(*ASK, "--all", "--max-memory", "64MB").error
    )
    assert hwprof(*ASK, "--all", "--max-energy", "200GJ").code == 2
    assert "a limit on energy must look like" in hwprof(*ASK, "--all", "--max-energy", "2MB").error
    least = hwprof(*ASK, "--all", "--top", "1", "--json").json[0]["mean"]
    assert hwprof(*ASK, "--all", "--max-energy", f"{least * 1e6}J").code == 0
    assert "must look like" in hwprof(*ASK, "--all", "--max-energy", "").error
    assert "goes with a limit" in hwprof(*ASK, "--all", "--quantile", "0.5").error
    for wrong in ("0", "1", "1.5", "-1"):
        found = hwprof(*ASK, "--all", "--max", "2mJ", f"--quantile={wrong}")
        assert "--quantile must lie between 0 and 1" in found.error
    assert "a limit on energy must look like 2mJ" in hwprof(*ASK, "--all", "--max", "2ms").error
    none = hwprof(*ASK, "--all", "--max", "1uJ")
    assert none.code == 2
    assert "predicted at or below 1uJ with probability 0.9: the least is '|" in none.error


@pytest.mark.usefixtures("small")
def test_a_predictor_of_latency_says_what_it_always_said(
    hwprof: Cli, tmp_path: Path, pool: DevicePool
) -> None:
    assert pool.names is not None
    rows = [f"{arch},{pool.latency_s[i, 1]}" for i, arch in enumerate(pool.names) if i % 4 == 0]
    (tmp_path / "m.csv").write_text("\n".join(["arch,latency_s", *rows]))
    done = hwprof(*ADAPT, tmp_path / "m.csv")
    assert " of latency" not in done.out
    told = hwprof(*ASK, "--all", "--top", "2")
    assert (told.err, len(told.out.splitlines())) == ("", 2)
    assert all(line.split()[1] == "ms" for line in told.out.splitlines())
    first = hwprof(*ASK, "--all", "--top", "1", "--json").json[0]
    assert (first["metric"], first["unit"]) == ("latency", "s")
    for name in ("mean", "std", "interval90"):
        assert first[name] == first[f"{name}_s"]
    general = hwprof(*ASK, "--all", "--max", "20ms")
    assert general.out == hwprof(*ASK, "--all", "--max-latency", "20ms").out
    assert general.err == "kept: those that stay within 20ms with probability 0.9\n"


@pytest.mark.usefixtures("small")
def test_joules_are_not_taken_for_seconds_unasked(hwprof: Cli, ten: Path, tmp_path: Path) -> None:
    refused = hwprof(*ADAPT, ten)
    assert refused.code == 2
    assert "are of energy, but the pool is of latency" in refused.error
    assert "hwprof adapt --metric energy" in refused.error
    assert not Path("my.device").exists()
    assert "needs arch and peak_memory_B" in hwprof(*ADAPT, ten, "--metric", "peak_memory").error
    two = tmp_path / "two.csv"
    two.write_text(f"arch,energy_J,peak_memory_B\n{CELL},1,2\n")
    assert "choose one with --metric" in hwprof(*ADAPT, two).error


@pytest.mark.usefixtures("small")
def test_a_table_without_a_sensor_is_told(hwprof: Cli, tmp_path: Path, pool: DevicePool) -> None:
    assert pool.names is not None
    with Table.open(tmp_path / "t.db") as table:
        for seed, arch in enumerate(pool.names[:6]):
            table.add(measured(seed, arch, None if seed < 2 else 0.5 + seed / 10, 5))
    done = hwprof(*ADAPT, tmp_path / "t.db", "--metric", "energy")
    assert done.code == 0, done.err
    assert "fitted 4 measurements" in done.out
    left_out, *warnings = done.err.splitlines()
    assert left_out == "measurements left out: 2 (no energy sensor)"
    assert warnings[0].startswith("4 measurements do not tell")


def test_a_name_from_a_file_is_no_command_of_a_terminal(
    hwprof: Cli, of_latency: FewShotPredictor
) -> None:
    adapted = of_latency.adapt([0, 4, 8], [1.0, 2.0, 3.0], metric="loss")
    adapted.save("my.device")
    content = Path("my.device").read_bytes()
    Path("my.device").write_bytes(content.replace(b'name\\":\\"loss', b'name\\":\\"l\x7fss'))
    done = hwprof(*ASK, "--all")
    assert done.code == 1
    assert "\x7f" not in done.err


@pytest.mark.usefixtures("small")
def test_measurements_are_of_the_metric_that_is_asked() -> None:
    joules = [ArchCost(CELL, 1.0, None, ENERGY)]
    for metric, known, says in (
        (None, joules, "the measurements are of energy, but the pool is of latency"),
        ("latency", joules, "are of energy in joules, but latency is asked"),
        ("peak_memory", joules, "are of energy in joules, but peak_memory is asked"),
        ("energy", [*joules, ArchCost(CELL, 1.0, None, MEMORY)], "of energy and peak_memory"),
    ):
        with pytest.raises(OptionError, match=says) as error:
            shipped.adapt_shipped(SPACE, known, metric=metric)
        assert "\n" not in str(error.value)


@pytest.mark.usefixtures("small")
def test_an_answer_has_seconds_for_latency_alone(pool: DevicePool) -> None:
    known = [ArchCost(arch, joules, None, ENERGY) for arch, joules in joules_of(pool).items()]
    fitted = shipped.adapt_shipped(SPACE, known[::4], metric="energy")
    assert (fitted.metric.name, fitted.pool_metric.name) == ("energy", "latency")
    (answer,) = fitted.answer([known[1].arch])
    assert answer.low <= answer.mean <= answer.high
    for name in ("mean_s", "std_s", "low_s", "high_s"):
        with pytest.raises(OptionError, match="this answer is of energy in joules"):
            getattr(answer, name)
