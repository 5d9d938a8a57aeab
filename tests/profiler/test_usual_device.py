"""The device of a model for which none is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwprof.machine.host import snapshot
from hwprof.profiler import compare as compare_module
from hwprof.profiler import sweep as sweep_module
from hwprof.profiler.plan import Plan
from hwprof.profiler.usual_device import usual_device
from hwprof.samples import Samples
from hwprof.targets.base import Target
from hwprof.testing.replay import ReplayDevice, ReplayTarget, replay_spec
from tests.small_models import mlp_proto

QUICK = Plan(pin="none", per_op=False, restarts=1)


@pytest.mark.parametrize(
    ("model", "device"),
    [
        ("a.onnx", "onnxruntime-cpu"),
        ("folder.pt2/a", "onnxruntime-cpu"),
        (Path("a.pt2"), "torch-cpu"),
        ("a.b.tflite", "litert-cpu"),
        ("a.txt", "onnxruntime-cpu"),
        (mlp_proto(), "onnxruntime-cpu"),
        (3, "onnxruntime-cpu"),
    ],
)
def test_it_follows_from_the_suffix(model: object, device: str) -> None:
    assert usual_device(model) == device


@pytest.mark.runtimes
def test_what_is_of_torch_runs_in_torch() -> None:
    import torch

    assert usual_device(torch.nn.Linear(2, 2)) == "torch-cpu"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices for which a target was made, each of which replays a latency."""
    names: list[str] = []

    def target_of(
        device: str, threads: int | None = None, meter: str | None = None, **_: object
    ) -> Target:
        names.append(device)
        wall = np.full(64, 1e-3)
        samples = Samples(wall, wall, np.zeros(64, dtype=np.int64))
        spec = replay_spec(threads or len(names))
        return ReplayTarget([ReplayDevice(samples, spec=spec)], snapshot())

    monkeypatch.setattr(sweep_module, "target_of", target_of)
    return names


def test_each_of_several_formats_has_its_own(mlp: Path, asked: list[str], tmp_path: Path) -> None:
    program = tmp_path / "net.pt2"
    program.write_bytes(b"no program")
    made = sweep_module.sweep([mlp, program, mlp], plan=QUICK, check_outputs=False)
    assert asked == ["onnxruntime-cpu", "torch-cpu"]
    assert made.devices == ("onnxruntime-cpu", "torch-cpu")
    assert made.total == 3
    found = list(made)
    assert [o.job.device for o in found] == ["onnxruntime-cpu", "torch-cpu", "onnxruntime-cpu"]
    assert [o.measurement is not None for o in found] == [True, False, True]


def test_with_several_thread_counts_each_model_takes_turns_on_its_own(
    mlp: Path, asked: list[str], tmp_path: Path
) -> None:
    other = tmp_path / "net.tflite"
    other.write_bytes(b"no model")
    made = sweep_module.sweep([mlp, other], threads=[1, 2], check_outputs=False)
    assert made.total == 4
    labels = [o.job.device for o in made]
    assert labels == [f"{d}:threads={t}" for d in ("onnxruntime-cpu", "litert-cpu") for t in (1, 2)]


def test_a_device_that_is_named_is_that_of_all(mlp: Path, asked: list[str], tmp_path: Path) -> None:
    program = tmp_path / "net.pt2"
    program.write_bytes(b"no program")
    made = sweep_module.sweep([mlp, program], "onnxruntime-cpu", plan=QUICK, check_outputs=False)
    assert [o.job.device for o in made] == ["onnxruntime-cpu"] * 2
    assert asked == ["onnxruntime-cpu"]


def test_two_models_of_different_formats_are_compared_each_on_its_own(
    mlp: Path, asked: list[str], tmp_path: Path
) -> None:
    from hwprof.errors import ModelError

    program = tmp_path / "net.pt2"
    program.write_bytes(b"no program")
    with pytest.raises(ModelError, match=r"net\.pt2"):
        compare_module.compare(mlp, program, plan=QUICK, check_outputs=False)
    assert asked == ["onnxruntime-cpu", "torch-cpu"]
    asked.clear()
    compare_module.compare(mlp, mlp, plan=QUICK, check_outputs=False)
    assert asked == ["onnxruntime-cpu"]
