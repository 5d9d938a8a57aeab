"""`hwprof measure --space`: architectures built, measured and stored under their text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hwprof import spaces
from tests.cli.conftest import Result

Cli = Callable[..., Result]

QUICK = ("--budget", "0.02", "--restarts", "1", "--no-per-op")
CELL = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"


def test_an_architecture_is_measured_under_its_text(hwprof: Cli) -> None:
    done = hwprof("measure", "--space", "nasbench201", "--arch", f" {CELL} ", *QUICK, "--json")
    assert done.code == 0, done.err
    (measurement,) = done.json
    assert measurement["model"] == CELL
    again = hwprof(
        *("measure", "--space", "nasbench201", "--arch", CELL, "--resume", *QUICK, "--json")
    )
    assert again.json[0]["id"] == measurement["id"]


def test_selected_architectures_are_enough_to_adapt(hwprof: Cli, tmp_path: Path) -> None:
    chosen = hwprof("select", "--space", "nasbench201", "-k", "2", "--json").json
    done = hwprof("measure", "--space", "nasbench201", "--select", "2", *QUICK, "--json")
    assert [m["model"] for m in done.json] == chosen
    adapted = hwprof(
        *("adapt", "--space", "nasbench201", "--measurements", "hwprof.db", "-o", "my.device")
    )
    assert adapted.code == 0, adapted.err
    assert "fitted 2 measurements" in adapted.out
    assert hwprof("predict", "--predictor", "my.device", "--all", "--top", "3").code == 0


def test_random_architectures_are_of_the_space_and_always_the_same(hwprof: Cli) -> None:
    wanted = ("measure", "--space", "nasbench201", "--sample", "2", *QUICK, "--json")
    names = [m["model"] for m in hwprof(*wanted).json]
    assert len(set(names)) == 2
    spaces.get("nasbench201").indices(names)
    assert [m["model"] for m in hwprof(*wanted, "--resume").json] == names


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--space", "darts", "--arch", "x"), "unknown search space 'darts'"),
        (("--space", "nasbench201", "--arch", CELL.replace("skip_", "hop_")), "hop_connect"),
        (("--space", "nasbench201"), "--arch, --select or --sample"),
        (("--space", "nasbench201", "--arch", CELL, "--sample", "2"), "--arch, --select or"),
        (("--space", "nasbench201", "--arch", CELL, "model.onnx"), "either files or"),
        (("--arch", CELL), "name their search space"),
        (("--select", "3"), "with --space"),
        ((), "name the models"),
        (("--space", "gpt", "--select", "0"), "--select"),
        (("--space", "gpt", "--select", "3", "--pool", "gone.pool"), "gone.pool"),
        (("--space", "nasbench201", "--arch", CELL, "--shape", "x=1"), "a resolution sets"),
        (("--space", "nasbench201", "--arch", CELL, "--resolution", "3"), "resolution"),
        (("--space", "nasbench201", "--arch", CELL, "--batch", "0"), "batch"),
    ],
)
def test_what_does_not_go_together(hwprof: Cli, arguments: tuple[str, ...], says: str) -> None:
    done = hwprof("measure", *arguments)
    assert done.code != 0
    assert says in done.error
    assert "Traceback" not in done.err
