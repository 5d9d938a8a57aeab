"""Measuring torch modules and programs from Python, and .pt2 files by their suffix."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import hwprof
from hwprof.errors import ModelError, OptionError
from hwprof.models.load import load_model
from hwprof.profiler.plan import Plan

# Of torch.export, about torch's own code.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


def module() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU()).eval()


QUICK = Plan(budget_s=0.05, restarts=1, per_op=False, pin="none")


def test_a_module_is_measured_with_its_inputs() -> None:
    found = hwprof.measure(module(), plan=QUICK, inputs=torch.rand(3, 8))
    assert found.subject.name == "Sequential"
    assert [t.shape for t in found.subject.inputs] == [(3, 8)]
    assert found.device.name == "torch-cpu"


def test_a_file_and_its_program_are_the_same_subject(tmp_path: Path) -> None:
    program = torch.export.export(module(), (torch.rand(2, 8),))
    path = tmp_path / "net.pt2"
    torch.export.save(program, str(path))
    model = load_model(path)
    assert model.format == "torch"
    assert (model.subject.name, model.subject.batch) == ("net", 2)
    found = hwprof.measure(path, plan=QUICK)
    assert found.subject == model.subject
    assert found.device.name == "torch-cpu"


def test_inputs_that_do_not_belong_are_refused(mlp: Path) -> None:
    with pytest.raises(OptionError, match="needs example inputs"):
        hwprof.measure(module(), "torch-cpu", QUICK)
    with pytest.raises(OptionError, match=r"have the shape \[2, 8\], and it takes \[4, 8\]"):
        hwprof.measure(mlp, "torch-cpu", QUICK, inputs=torch.rand(2, 8))


def test_modules_and_programs_run_on_the_inputs_that_are_given() -> None:
    x = torch.rand(2, 8)
    program = torch.export.export(module(), (torch.rand(2, 8),))
    keys = set()
    for model in (program, module()):
        subject = hwprof.measure(model, "torch-cpu", QUICK, inputs=x).subject
        (values,) = subject.values
        assert (values.origin, values.text) == ("given", "an array")
        keys.add(values.sha256)
    assert len(keys) == 1
    made_up = hwprof.measure(program, "torch-cpu", QUICK).subject
    assert made_up.values[0].origin == "made up"


def test_modules_that_do_not_export_are_refused() -> None:
    with pytest.raises(ModelError, match="cannot export the module Sequential"):
        hwprof.measure(module(), "torch-cpu", QUICK, inputs=torch.rand(3, 9))
    with pytest.raises(ModelError, match="in training mode"):
        hwprof.measure(module().train(), "torch-cpu", QUICK, inputs=torch.rand(3, 8))


def test_other_devices_refuse_a_program(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"opens ONNX models"):
        hwprof.measure(module(), "onnxruntime-cpu", QUICK, inputs=torch.rand(3, 8))


def test_reading_a_program_does_not_import_torch(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(module(), (torch.rand(2, 8),)), str(path))
    code = (
        "import sys; from hwprof.models.load import load_model;"
        f"load_model({str(path)!r}); print('torch' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
