"""The examples run, and find what is feasible."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from hwprof.predictors import shipped

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(path.name for path in FOLDER.glob("*.py"))


def test_there_is_one_per_library():
    libraries = ("ax", "botorch", "optuna", "pymoo", "syne_tune", "torch")
    others = {"devices_and_metrics.py", "evolution.py", "modnas_search.py"}
    assert {f"{name}_search.py" for name in libraries} | others == set(EXAMPLES)


# Exact values have no noise, of which Ax's models remark that they round it up.
@pytest.mark.filterwarnings("ignore:Very small noise values")
@pytest.mark.filterwarnings("ignore:A not p.d., added jitter")
@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, cells, blocks, raspi, tmp_path, monkeypatch, capsys):
    # Fitted once for all of them; each does the rest by itself.
    monkeypatch.setattr(shipped, "fit_shipped", {"nasbench201": cells, "fbnet": blocks}.get)
    monkeypatch.setenv("SYNETUNE_FOLDER", str(tmp_path))
    if name == "evolution.py":  # it takes the user's own device
        device = tmp_path / "my.device"
        raspi.save(device)
        monkeypatch.setattr(sys, "argv", [name, str(device)])
    assert len((FOLDER / name).read_text().splitlines()) <= 48
    found = runpy.run_path(str(FOLDER / name))
    assert found["best"] in capsys.readouterr().out
    if "latency" in found:
        assert found["latency"].violation(found["best"])[0] <= 0
    else:
        row = found["goals"].space.indices(found["best"])
        assert found["goals"].violations(row).max() <= 0
