"""The device torch-cpu: options, identity, the laws of devices, and what profiles say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

import hwprof
from hwprof.devices import registry
from hwprof.devices.torch import TorchCpu
from hwprof.errors import DeviceError, OptionError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.testing.devices import check_bad_model, check_device
from tests.devices.torch.agreement import reference
from tests.devices.torch.graphs import NODES, convolutional


@pytest.fixture
def conv(tmp_path: Path) -> Model:
    return load_model(convolutional(tmp_path / "conv.onnx"))


def error_of(device: TorchCpu, model: Model) -> float:
    """Largest difference from ONNX Runtime, as a share of the largest magnitude."""
    with device.open(model) as session:
        (found,) = session.outputs()
    (expected,) = reference(model)
    return float(np.abs(found.array() - expected).max() / np.abs(expected).max())


def test_the_laws_hold(conv: Model) -> None:
    check_device(TorchCpu(), conv)


def test_the_laws_hold_compiled(conv: Model) -> None:
    check_device(TorchCpu(mode="compiled"), conv)


def test_a_broken_file_is_refused(tmp_path: Path, conv: Model) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(conv.path.read_bytes()[:200])
    check_bad_model(TorchCpu(), Model(broken, conv.subject))


def test_listing_devices_does_not_import_torch() -> None:
    code = "import sys, hwprof.devices.registry as r; r.available(); print('torch' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"


def test_a_broken_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text("raise OSError('libtorch_cpu.so: no such file')")
    code = (
        "from hwprof.devices.torch import TorchCpu\n"
        "assert TorchCpu.availability().ok\n"
        "TorchCpu().spec"
    )
    home = str(Path(hwprof.__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{tmp_path}:{home}"},
    )
    assert "DeviceError" in found.stderr
    assert "libtorch_cpu.so" in found.stderr
    assert "reinstall" in found.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "fast"}, "mode must be eager or compiled"),
        ({"precision": "int8"}, "precision=int8 needs mode=compiled"),
        ({"freezing": "on"}, "freezing=on needs mode=compiled"),
        ({"mode": "compiled", "precision": "int8", "freezing": "off"}, "needs freezing=on"),
        ({"channels_last": "yes"}, "channels_last must be on or off"),
        ({"threads": "0"}, "threads must be a whole number"),
    ],
)
def test_wrong_options_are_refused(options: Mapping[str, str], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        TorchCpu.create(options)


def test_the_spec_says_what_runs() -> None:
    device = registry.connect("torch-cpu:threads=2,precision=bf16,channels_last=on")
    spec = device.spec
    assert (spec.name, spec.runtime, spec.provider) == ("torch-cpu", "torch", "aten")
    assert (spec.threads, spec.precision) == (2, "bf16")
    assert spec.runtime_version == torch.__version__
    assert spec.options == {"mode": "eager", "channels_last": "on", "freezing": "off"}
    compiled = registry.connect("torch-cpu:mode=compiled").spec
    assert compiled.provider == "inductor"
    assert compiled.fingerprint != registry.connect("torch-cpu").spec.fingerprint


def test_compiling_needs_a_compiler(monkeypatch: pytest.MonkeyPatch, conv: Model) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DeviceError, match=r"needs a C\+\+ compiler and found none"):
        TorchCpu(mode="compiled").open(conv)


@pytest.mark.parametrize(
    ("device", "limit"),
    [
        (TorchCpu(), 1e-5),
        (TorchCpu(channels_last=True), 1e-5),
        (TorchCpu(precision="bf16"), 2e-2),
        (TorchCpu(precision="fp16"), 2e-2),
        (TorchCpu(mode="compiled", freezing=True), 1e-5),
    ],
)
def test_outputs_agree(device: TorchCpu, limit: float, conv: Model) -> None:
    assert error_of(device, conv) < limit


def test_threads_reach_torch(conv: Model) -> None:
    with TorchCpu(threads=2).open(conv):
        assert torch.get_num_threads() == 2
    with TorchCpu(threads=1).open(conv):
        assert torch.get_num_threads() == 1


def test_an_eager_profile_has_one_kernel_per_node(conv: Model) -> None:
    with TorchCpu().open(conv) as session:
        profiled = session.profile(5)
    profile = profiled.profile
    assert [o.source_nodes for o in profile.occurrences] == [(name,) for name in NODES]
    assert profile.uncovered == ()
    assert all(o.durations_s.shape == profile.run_wall_s.shape for o in profile.occurrences)
    # Clock readings partition the run: nothing is counted twice.
    total = sum(o.durations_s for o in profile.occurrences)
    assert bool(np.all(total > 0))
    assert bool(np.all(total <= profile.run_wall_s))
    first = profile.occurrences[0].kernel
    assert (first.domain, first.op) == ("org.pytorch", "aten::conv2d")
    assert "aten::convolution" in first.attributes["calls"]
    assert [t.constant for t in first.inputs if t] == [False, True, True]
    assert first.attributes["args"].endswith("(1,1),(1,1),(1,1),1")
    weights = [t.elements for o in profile.occurrences for t in o.kernel.inputs if t and t.constant]
    assert profiled.weights_bytes == 4 * sum(weights)


def test_layout_belongs_to_a_kernels_identity(conv: Model) -> None:
    keys = []
    for last in (False, True):
        with TorchCpu(channels_last=last).open(conv) as session:
            keys.append(session.profile(1).profile.occurrences[0].kernel.key)
    assert keys[0] != keys[1]
    assert "channels_last" in keys[1]


def test_a_compiled_profile_leads_kernels_back(conv: Model) -> None:
    with TorchCpu(mode="compiled").open(conv) as session:
        profile = session.profile(4).profile
    claims = {name: o for o in profile.occurrences for name in o.source_nodes}
    assert set(claims) | set(profile.uncovered) >= set(NODES) - {"flat"}
    # A convolution belongs to the call that convolves.
    assert claims["stem/conv"].kernel.op == "extern_kernels.convolution"
    assert claims["dw"] is not claims["stem/conv"]
    assert claims["stem/relu"].kernel.op.startswith("cpp_fused")
    assert "code" in claims["stem/relu"].kernel.attributes
    total = sum(o.durations_s for o in profile.occurrences)
    assert bool(np.all(total <= profile.run_wall_s))


def test_a_frozen_convolution_covers_what_it_fused(conv: Model) -> None:
    with TorchCpu(mode="compiled", freezing=True).open(conv) as session:
        profile = session.profile(2).profile
    claims = {name: o.name for o in profile.occurrences for name in o.source_nodes}
    assert claims["stem/conv"] == claims["stem/relu"]
    assert claims["dw"] == claims["sum"]
    assert not set(profile.uncovered) & {"stem/conv", "dw"}


@pytest.mark.filterwarnings("ignore")  # of torchao, about itself
def test_int8_runs_on_integers(conv: Model) -> None:
    device = TorchCpu.create({"mode": "compiled", "precision": "int8"})
    with device.open(conv) as session:
        profile = session.profile(1).profile
    assert any("onednn.qconv" in o.kernel.op for o in profile.occurrences)


@pytest.mark.filterwarnings("ignore")
def test_int8_in_name_only_is_refused(two_inputs: Path) -> None:
    model = load_model(two_inputs, shapes={"ids": (1, 3), "mask": (1, 3, 1)})
    device = TorchCpu.create({"mode": "compiled", "precision": "int8"})
    with pytest.raises(DeviceError, match="a name only"):
        device.open(model)
