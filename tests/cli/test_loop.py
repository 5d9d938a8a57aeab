"""From nothing to a search that is measured again: six commands, in a space without a pool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hwprof.lut import Table
from tests.cli.conftest import Result

Cli = Callable[..., Result]
SPACE = ("--space", "mobilenetv3")
# Figures are worth little so: what goes from hand to hand is what is tried.
BRIEF = (
    *("--no-per-op", "--no-check-outputs", "--restarts", "1"),
    *("--budget", "0.05", "--precision", "0.5", "-q"),
)
DEVICES = ("--device", "onnxruntime-cpu:opt=none", "--device", "onnxruntime-cpu:opt=basic")
FAST_ENOUGH, TOO_SLOW, CANNOT_TELL = 0, 3, 4


def test_six_commands_from_nothing_to_a_measured_search(hwprof: Cli) -> None:
    first = hwprof("measure", *SPACE, "--sample", "5", *DEVICES, *BRIEF, "--lut", "ours.db")
    assert first.code == 0, first.err
    made = hwprof("pool", "make", "ours.db", *SPACE, "-o", "ours.pool")
    assert made.code == 0, made.err
    assert "5 architectures x 2 devices" in made.out
    chosen = hwprof(
        *("measure", *SPACE, "--select", "4", "--pool", "ours.pool", *BRIEF, "--lut", "new.db")
    )
    assert chosen.code == 0, chosen.err
    with Table.open("new.db", readonly=True) as new, Table.open("ours.db", readonly=True) as ours:
        asked = {measurement.subject.name for measurement in new.measurements()}
        assert len(asked) == 4
        assert asked <= {measurement.subject.name for measurement in ours.measurements()}
    adapted = hwprof(
        *("adapt", "--pool", "ours.pool", "--measurements", "new.db", "-o", "new.device")
    )
    assert adapted.code == 0, adapted.err
    assert "fitted 4 measurements of mobilenetv3" in adapted.out
    limit = "10s"
    found = hwprof(
        *("search", "--predictor", "new.device", "--max-latency", limit, "--top", "2", "-q"),
        *("--generations", "3", "--population", "10"),
    )
    assert found.code == 0, found.err
    Path("found.txt").write_text(found.out)
    assert len(found.out.splitlines()) == 2
    kept = hwprof(
        *("measure", *SPACE, "--arch", "@found.txt", *BRIEF, "--lut", "new.db"),
        *("--fail-above", limit),
    )
    # A busy machine may leave open whether a limit is kept, which is no failure of the loop.
    assert kept.code in (FAST_ENOUGH, CANNOT_TELL), kept.err
    with Table.open("new.db", readonly=True) as new:
        assert {measurement.subject.name for measurement in new.measurements()} >= set(
            found.out.splitlines()
        )


def test_without_any_pool_idealised_machines_stand_in(hwprof: Cli) -> None:
    chosen = hwprof("select", *SPACE, "-k", "4", "--seed", "1")
    assert chosen.code == 0, chosen.err
    assert "idealised machines stand for devices" in chosen.err
    archs = chosen.out.splitlines()
    assert len(set(archs)) == 4
    rows = [f'"{arch}",{5 + i}' for i, arch in enumerate(archs)]
    Path("four.csv").write_text("\n".join(["arch,latency_ms", *rows]))
    done = hwprof("adapt", *SPACE, "--measurements", "four.csv", "-o", "new.device")
    assert done.code == 0, done.err
    told = hwprof("predict", "--predictor", "new.device", archs[0], "--json").json[0]
    low, high = told["interval90_s"]
    assert low < told["mean_s"] < high
    assert 1e-3 < told["mean_s"] < 20e-3
