"""The device: its laws, its options, what it says of itself, and how it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwprof.devices.litert import LiteRtCpu
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.devices.registry import connect
from hwprof.errors import DeviceError, ModelError, OptionError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.models.tflite import runtime
from hwprof.testing.devices import check_bad_model, check_device
from tests.devices.litert.models import assert_same, computed, expected


@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_it_keeps_the_laws(delegate: str, squeezenet: Path) -> None:
    check_device(LiteRtCpu(delegate=delegate), load_model(squeezenet))


def test_a_litert_model_keeps_the_laws(mlp_tflite: Path) -> None:
    check_device(connect("litert-cpu:threads=2"), load_model(mlp_tflite))


def test_bad_models_are_refused(mlp: Path, mlp_tflite: Path, tmp_path: Path) -> None:
    for path in (mlp, mlp_tflite):
        model = load_model(path)
        broken = tmp_path / f"broken{path.suffix}"
        broken.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        check_bad_model(LiteRtCpu(), Model(broken, model.subject, model.format))


def test_programs_of_torch_are_refused(mlp: Path) -> None:
    with pytest.raises(ModelError, match=r"\.onnx\) and LiteRT models"):
        LiteRtCpu().open(Model(mlp, load_model(mlp).subject, "torch"))


def test_options_decide_the_spec() -> None:
    default = LiteRtCpu.create({}).spec
    assert (default.provider, default.precision, default.threads) == ("XNNPACK", "native", 1)
    assert default.options == {"delegate": "xnnpack"}
    assert "sha256=" in default.runtime_build
    other = LiteRtCpu.create({"delegate": "none", "threads": "2"}).spec
    assert other.threads == 2
    assert other.provider != default.provider
    assert other.fingerprint != default.fingerprint
    with pytest.raises(OptionError, match="xnnpack or none"):
        LiteRtCpu.create({"delegate": "gpu"})


def test_asking_whether_it_is_here_imports_nothing() -> None:
    script = (
        "import sys; from hwprof.devices.litert import LiteRtCpu; "
        "assert LiteRtCpu.availability().ok; "
        "sys.exit(bool({'ai_edge_litert', 'onnx', 'flatbuffers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_missing_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert LiteRtCpu.availability().reason == (
        "ai-edge-litert is not installed; install it with pip install 'hwprof[litert]'"
    )


def test_a_broken_runtime_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.import_runtime()
    monkeypatch.delattr("ai_edge_litert.interpreter")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(DeviceError, match=r"is installed but does not import .*; reinstall it"):
        _ = LiteRtCpu().spec


def test_an_operator_that_litert_lacks_is_named(custom_operator: Path) -> None:
    with pytest.raises(ModelError, match=r"no operator 'acme\.Magic'; convert it") as error:
        LiteRtCpu().open(load_model(custom_operator))
    assert "\n" not in str(error.value)


def test_open_dimensions_take_those_of_the_subject(open_rows: Path, dynamic_mlp: Path) -> None:
    with LiteRtCpu().open(load_model(open_rows, batch=7)) as session:
        (found,) = session.outputs()
    with LiteRtCpu().open(load_model(dynamic_mlp, batch=7)) as session:
        (wanted,) = session.outputs()
    assert found.shape == (7, 8)
    np.testing.assert_allclose(found.array(), wanted.array(), rtol=1e-5)


def test_two_inputs_and_token_ids(two_inputs: Path) -> None:
    model = load_model(two_inputs, shapes={"ids": (2, 5)})
    with LiteRtCpu().open(Model(model.path, model.subject)) as session:
        assert session.outputs()[0].shape == (2, 5, 16)


def test_a_trained_model_agrees(magika_model: Path) -> None:
    """Integer input, an open batch, operators of another exporter."""
    model = load_model(magika_model, batch=1)
    with LiteRtCpu().open(model) as session, OnnxRuntimeCpu().open(model) as other:
        (found,), (wanted,) = session.outputs(), other.outputs()
    np.testing.assert_allclose(found.array(), wanted.array(), rtol=0, atol=1e-4)


def test_no_file_is_left(mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    session = LiteRtCpu().open(load_model(mlp))
    session.close()
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "inception_v1"])
def test_light_models_agree(name: str, light: Path) -> None:
    assert_same(light / f"light_{name}.onnx", "xnnpack")


def test_outputs_come_in_onnx_layout(squeezenet: Path) -> None:
    (found,) = computed(squeezenet, "xnnpack")
    assert found.shape == expected(squeezenet)[0].shape == (1, 1000, 1, 1)
