"""Options, identity, and models that ExecuTorch cannot run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hwprof.devices.executorch import ExecuTorchCpu
from hwprof.devices.executorch.runtime import import_runtime, set_threads
from hwprof.errors import ModelError, OptionError
from hwprof.graph import TensorSpec
from hwprof.measurement import Subject
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.testing.devices import check_bad_model, check_device


def test_keeps_the_laws(mlp: Path) -> None:
    check_device(ExecuTorchCpu(), load_model(mlp))


def test_options_become_the_identity() -> None:
    device = ExecuTorchCpu.create({"threads": "2", "backend": "portable", "precision": "int8"})
    spec = device.spec
    assert (spec.threads, spec.precision, spec.provider) == (2, "int8", "native kernels")
    assert spec.options == {"backend": "portable"}
    assert "git " in spec.runtime_build
    with pytest.raises(OptionError, match="xnnpack or portable"):
        ExecuTorchCpu.create({"backend": "qnn"})
    with pytest.raises(OptionError, match="fp32 or int8"):
        ExecuTorchCpu.create({"precision": "fp16"})


def test_asking_for_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hwprof.devices.executorch import ExecuTorchCpu; "
        "assert ExecuTorchCpu.availability().ok; ExecuTorchCpu.create({}); "
        "sys.exit(bool({'torch', 'executorch', 'onnx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_pool_has_the_threads_asked_for() -> None:
    runtime = import_runtime()
    try:
        set_threads(runtime, 2)
        assert runtime._threadpool_get_thread_count() == 2
    finally:
        set_threads(runtime, 1)
    assert runtime._threadpool_get_thread_count() == 1


def test_other_formats_and_broken_files_are_refused(mlp: Path, tmp_path: Path) -> None:
    subject = load_model(mlp).subject
    with pytest.raises(ModelError, match=r"programs of torch.export"):
        ExecuTorchCpu().open(Model(mlp, subject, "tflite"))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(mlp.read_bytes()[:100])
    check_bad_model(ExecuTorchCpu(), Model(broken, subject))


def test_a_program_of_torch_export_runs(tmp_path: Path) -> None:
    model = _exported(tmp_path, _Tiny())
    with ExecuTorchCpu().open(model) as session:
        (output,) = session.outputs()
        profile = session.profile(2).profile
    assert output.shape == (2, 4, 4)
    assert {n for each in profile.occurrences for n in each.source_nodes} == {"linear", "relu"}


def test_views_between_native_kernels_do_not_shift_the_rest(tmp_path: Path) -> None:
    model = _exported(tmp_path, _Viewed())
    with ExecuTorchCpu(backend="portable").open(model) as session:
        profile = session.profile(2).profile
    ops = {n: each.kernel.op for each in profile.occurrences for n in each.source_nodes}
    assert ops["erf"] == "aten::erf.out"
    assert ops["cumsum"] == "aten::cumsum.out"
    assert profile.uncovered == ()


def test_an_operator_without_a_kernel_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"(?s)det.*another device"):
        ExecuTorchCpu(backend="portable").open(_exported(tmp_path, _Determinant()))


def test_a_model_that_xnnpack_takes_nothing_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="backend=portable"):
        ExecuTorchCpu().open(_exported(tmp_path, _Erf()))


class _Tiny(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x))


class _Determinant(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.det(x)


class _Viewed(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(torch.erf(x.view(8, 4)).view(4, 8), 1)


class _Erf(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.erf(x)


def _exported(folder: Path, module: torch.nn.Module) -> Model:
    path = folder / "model.pt2"
    x = torch.rand(2, 4, 4)
    torch.export.save(torch.export.export(module, (x,)), path)
    subject = Subject("model", "0" * 64, (TensorSpec("x", "float32", tuple(x.shape)),))
    return Model(path, subject, "torch")
