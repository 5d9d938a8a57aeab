"""Models that a target is sent, by real workers that may not use our paths."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import hwprof
from hwprof.errors import ModelError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.profiler.plan import Plan
from hwprof.targets.process import LocalPython, ProcessStream
from hwprof.targets.stream import Stream
from hwprof.targets.worker import WorkerTarget
from tests.small_models import mlp_proto

QUICK = Plan(precision=0.3, budget_s=1, restarts=1, per_op=False, pin="none")


class Spoiled(Stream):
    """A stream that spoils what is sent through it."""

    def __init__(self, inner: ProcessStream, spoil: Callable[[bytes], bytes]) -> None:
        self.inner = inner
        self._spoil = spoil

    def write(self, data: bytes, wait_s: float) -> None:
        self.inner.write(self._spoil(data), wait_s)

    def read_line(self, limit: int, wait_s: float) -> bytes:
        return self.inner.read_line(limit, wait_s)

    @property
    def closed(self) -> bool:
        return self.inner.closed

    def obituary(self, who: str) -> str:
        return self.inner.obituary(who)

    def close(self) -> None:
        self.inner.close()


class Elsewhere(LocalPython):
    """This machine, as if it had none of our files."""

    def __init__(self, spoil: Callable[[bytes], bytes] = lambda data: data) -> None:
        super().__init__()
        self.spoil = spoil
        self.streams: list[Spoiled] = []

    @property
    def shares_files(self) -> bool:
        return False

    def start(self) -> Stream:  # type: ignore[override]
        self.streams.append(Spoiled(super().start(), self.spoil))
        return self.streams[-1]


def outputs_on(launcher: LocalPython, path: Path) -> np.ndarray:
    with WorkerTarget("cpu", launcher=launcher).start(load_model(path)) as run:
        (output,) = run.outputs()
        return output.array()


def test_a_model_that_is_sent_computes_what_it_does_here(mlp: Path, external_mlp: Path) -> None:
    for path in (mlp, external_mlp):
        sent = outputs_on(Elsewhere(), path)
        assert np.array_equal(sent, outputs_on(LocalPython(), path))


def test_it_runs_from_the_workers_own_folder_and_goes_with_it(external_mlp: Path) -> None:
    launcher = Elsewhere()
    with WorkerTarget("cpu", launcher=launcher).start(load_model(external_mlp)):
        folder = launcher.streams[0].inner.scratch
        # Each file is there under its hash, and once more beside the other.
        assert {path.name for path in folder.glob("*/model-*/*")} == {
            "external.onnx",
            "external.bin",
        }
        assert all(len(path.name) == 64 for path in folder.glob("*/*") if path.is_file())
    assert not folder.exists()


def test_a_whole_measurement_of_a_sent_model(external_mlp: Path) -> None:
    target = WorkerTarget("cpu", launcher=Elsewhere())
    measurement = hwprof.measure(external_mlp, target, QUICK)
    assert measurement.latency.headline_s > 0
    assert measurement.subject.sha256 == load_model(external_mlp).subject.sha256


def test_a_path_that_leads_nowhere_there_is_no_obstacle(
    external_mlp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where a container shares most folders, but not this one.
    monkeypatch.setattr("hwprof.targets.worker._as_text", lambda path: "/nowhere" + path)
    assert outputs_on(LocalPython(), external_mlp).shape == (4, 8)


def test_a_path_that_is_no_text_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"f\xff")
    folder.mkdir()
    path = folder / os.fsdecode(b"m\xfe.onnx")
    path.write_bytes(mlp_proto().SerializeToString())
    measurement = hwprof.measure(path, "cpu", QUICK)
    assert measurement.subject.name == "m\\xfe"


def test_a_large_model_is_sent_in_parts(tmp_path: Path) -> None:
    proto = mlp_proto()
    padding = onnx.numpy_helper.from_array(np.arange(600_000, dtype=np.float32), "unused")
    proto.graph.initializer.append(padding)
    path = tmp_path / "large.onnx"
    onnx.save(proto, str(path))
    assert path.stat().st_size > 2 << 20
    assert outputs_on(Elsewhere(), path).shape == (4, 8)


def flip(data: bytes) -> bytes:
    """Change one bit of what is no request."""
    return data if data.startswith(b"{") else data[:-1] + bytes([data[-1] ^ 1])


def test_what_is_damaged_on_its_way_is_never_measured(external_mlp: Path) -> None:
    launcher = Elsewhere(flip)
    with pytest.raises(ModelError, match="was damaged on its way; measure the model again"):
        outputs_on(launcher, external_mlp)
    assert launcher.streams[0].closed


def test_what_changes_while_it_is_sent_is_never_measured(
    external_mlp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwprof.targets import files, worker

    def cut(*arguments: object) -> None:
        (external_mlp.parent / "external.bin").write_bytes(b"x")
        files.send(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(worker, "send", cut)
    launcher = Elsewhere()
    with pytest.raises(ModelError, match=r"'external\.bin' was cut off while it was sent"):
        outputs_on(launcher, external_mlp)
    assert launcher.streams[0].closed


def test_given_values_reach_the_target_by_path_and_by_being_sent(mlp: Path) -> None:
    (spec,) = load_model(mlp, batch=4).subject.inputs
    x = np.random.default_rng(3).standard_normal(spec.shape).astype(np.float32)
    model = load_model(mlp, inputs={spec.name: x})

    def outputs(launcher: LocalPython, given: Model) -> np.ndarray:
        with WorkerTarget("cpu", launcher=launcher).start(given) as run:
            return run.outputs()[0].array()

    here = outputs(LocalPython(), model)
    assert np.array_equal(here, outputs(Elsewhere(), model))
    assert not np.array_equal(here, outputs(LocalPython(), load_model(mlp, batch=4)))


def test_damaged_values_are_never_measured(mlp: Path) -> None:
    (spec,) = load_model(mlp, batch=4).subject.inputs
    model = load_model(mlp, inputs={spec.name: np.ones(spec.shape, np.float32)})
    with pytest.raises(ModelError, match="was damaged on its way"):
        WorkerTarget("cpu", launcher=Elsewhere(flip)).start(model)
