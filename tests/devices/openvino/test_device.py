"""The device `openvino-cpu`: options, identity, what it runs and what it refuses."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.devices.openvino import OpenVinoCpu
from hwprof.devices.openvino.runtime import import_runtime, memory_advice, short_reason
from hwprof.devices.openvino.runtime_model import read_runtime_model
from hwprof.devices.openvino.settings import Settings, refuse_substitutes, refuse_unsupported
from hwprof.errors import DeviceError, MeasurementError, ModelError, OptionError
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of
from hwprof.models.load import load_model
from hwprof.testing.devices import check_bad_model, check_device
from tests.devices.openvino.conftest import Saved

VALUE = helper.make_tensor_value_info


def agree(model: Model, device: OpenVinoCpu, tolerance: float = 1e-3) -> None:
    """Outputs equal ONNX Runtime's in number, type, shape and, within `tolerance`, in value."""
    with OnnxRuntimeCpu().open(model) as session:
        wanted = session.outputs()
    with device.open(model) as session:
        found = session.outputs()
    assert [(o.dtype, o.shape) for o in found] == [(o.dtype, o.shape) for o in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        scale = max(float(np.abs(theirs.array().astype(float)).max()), 1e-12)
        assert np.abs(ours.array().astype(float) - theirs.array()).max() <= tolerance * scale


def test_it_keeps_the_laws(squeezenet: Path) -> None:
    check_device(OpenVinoCpu(), load_model(squeezenet))


def test_two_threads(squeezenet: Path) -> None:
    device = OpenVinoCpu.create({"threads": "2", "hint": "throughput"})
    assert device.spec.threads == 2
    assert device.spec.options == {"hint": "throughput"}
    agree(load_model(squeezenet), device)


@pytest.mark.parametrize("fixture", ["mlp", "external_mlp", "mixed", "quantised"])
def test_outputs_agree(fixture: str, request: pytest.FixtureRequest) -> None:
    agree(load_model(request.getfixturevalue(fixture)), OpenVinoCpu())


def test_open_dimensions_are_decided(dynamic_mlp: Path, two_inputs: Path) -> None:
    agree(load_model(dynamic_mlp, batch=3), OpenVinoCpu())
    agree(load_model(two_inputs, shapes={"ids": [2, 5], "mask": [2, 5, 1]}), OpenVinoCpu())


def test_a_trained_model_of_integers(magika_model: Path) -> None:
    # At batch 1: at batch 2 ONNX Runtime 1.31 does not agree with itself (2e-3).
    agree(load_model(magika_model, batch=1), OpenVinoCpu())


def test_half_precision_is_computed_in_fp32(saved: Saved) -> None:
    path = saved(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")],
        [VALUE("x", TensorProto.FLOAT16, [4, 64])],
        [VALUE("y", TensorProto.FLOAT16, [4, 16])],
        {"w": np.random.default_rng(0).standard_normal((64, 16)).astype(np.float16)},
    )
    agree(load_model(path), OpenVinoCpu())


def test_bfloat16_comes_as_float32(saved: Saved) -> None:
    path = saved(
        [helper.make_node("Cast", ["x"], ["y"], name="cast", to=TensorProto.BFLOAT16)],
        [VALUE("x", TensorProto.FLOAT, [3, 8])],
        [VALUE("y", TensorProto.BFLOAT16, [3, 8])],
    )
    model = load_model(path)
    with OpenVinoCpu().open(model) as session:
        (found,) = session.outputs()
    assert (found.dtype, found.shape) == ("float32", (3, 8))
    wanted = next(iter(tensors_of(model).values()))
    assert found.array() == pytest.approx(wanted, rel=2**-7)


def test_the_spec_names_what_runs() -> None:
    spec = OpenVinoCpu().spec
    assert (spec.name, spec.runtime, spec.provider) == ("openvino-cpu", "openvino", "CPU")
    assert spec.precision == "fp32"
    assert spec.runtime_version.count(".") == 2
    assert spec.runtime_build


def capabilities() -> set[str]:
    return set(import_runtime().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


@pytest.mark.parametrize(("precision", "capability"), [("bf16", "BF16"), ("fp16", "FP16")])
def test_a_precision_is_the_one_asked_for_or_refused(
    precision: str, capability: str, squeezenet: Path
) -> None:
    device = OpenVinoCpu.create({"precision": precision})
    model = load_model(squeezenet)
    if capability in capabilities():
        assert device.spec.precision == precision
        with device.open(model) as session:
            kernels = [o.kernel for o in session.profile(1).profile.occurrences]
        words = {"bf16": "bf16", "fp16": "f16"}
        assert words[precision] in {k.attributes["precision"] for k in kernels}
    else:
        for refused in (lambda: device.spec, lambda: device.open(model)):
            with pytest.raises(DeviceError, match=f"{precision} on this processor; use precision"):
                refused()


def test_fp32_is_not_left_to_the_runtime(squeezenet: Path) -> None:
    with OpenVinoCpu().open(load_model(squeezenet)) as session:
        kernels = [o.kernel for o in session.profile(1).profile.occurrences]
    assert {k.attributes["precision"] for k in kernels} == {"f32"}


def test_a_substituted_precision_is_seen(squeezenet: Path) -> None:
    if "BF16" not in capabilities():
        pytest.skip("this processor has no bfloat16 for OpenVINO to take by itself")
    compiled = (
        import_runtime()
        .Core()
        .compile_model(
            str(squeezenet), "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "bf16"}
        )
    )
    nodes = read_runtime_model(compiled)
    refuse_substitutes(compiled, Settings(1, "bf16", "latency"), nodes, "squeezenet")
    with pytest.raises(DeviceError, match="takes bf16 for 'squeezenet' where f32 was asked"):
        refuse_substitutes(compiled, Settings(1, "fp32", "latency"), nodes, "squeezenet")
    with pytest.raises(DeviceError, match="no more than 1 of the 3 threads"):
        refuse_substitutes(compiled, Settings(3, "bf16", "latency"), nodes, "squeezenet")
    with pytest.raises(DeviceError, match="runs no kernel of 'squeezenet' in bf16"):
        refuse_substitutes(compiled, Settings(1, "bf16", "latency"), (), "squeezenet")


def test_a_kernel_in_another_precision_is_seen(squeezenet: Path) -> None:
    class Claims:
        """A compiled model that says it keeps to fp32."""

        def get_property(self, name: str) -> object:
            return 1 if "THREADS" in name else import_runtime().Type.f32

    if "BF16" not in capabilities():
        pytest.skip("this processor has no bfloat16 for OpenVINO to take by itself")
    compiled = (
        import_runtime()
        .Core()
        .compile_model(str(squeezenet), "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    )
    with pytest.raises(DeviceError, match="in bf16 where f32 was asked for"):
        refuse_substitutes(
            Claims(), Settings(1, "fp32", "latency"), read_runtime_model(compiled), "squeezenet"
        )


def test_a_processor_without_the_precision() -> None:
    class Core:
        def get_property(self, device: str, name: str) -> list[str]:
            return ["FP32", "INT8"]

    refuse_unsupported(Core(), "fp32")
    with pytest.raises(DeviceError, match="bf16 on this processor; use precision=fp32"):
        refuse_unsupported(Core(), "bf16")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": "int8"}, "QDQ"),
        ({"precision": "half"}, "fp32, bf16, fp16"),
        ({"hint": "fast"}, "latency or throughput"),
        ({"threads": "0"}, "whole number"),
        ({"streams": "2"}, "threads, precision and hint"),
    ],
)
def test_options_are_refused(options: dict[str, str], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        OpenVinoCpu.create(options)


def test_more_threads_than_processors_are_refused(mlp: Path) -> None:
    with pytest.raises(DeviceError, match=r"of the 1024 threads asked for.*use threads="):
        OpenVinoCpu(threads=1024).open(load_model(mlp))


def test_other_formats_are_refused(mlp: Path) -> None:
    model = load_model(mlp)
    with pytest.raises(ModelError, match=r"openvino-cpu opens ONNX models"):
        OpenVinoCpu().open(Model(mlp, model.subject, "tflite"))


@pytest.mark.parametrize(("domain", "named"), [("com.acme", "com.acme.Foo"), ("", "Foo")])
def test_an_unknown_operator_is_named(domain: str, named: str, saved: Saved, mlp: Path) -> None:
    path = saved(
        [helper.make_node("Foo", ["x"], ["y"], name="foo", domain=domain)],
        [VALUE("x", TensorProto.FLOAT, [1, 4])],
        [VALUE("y", TensorProto.FLOAT, [1, 4])],
        domain=domain,
    )
    model = Model(path, load_model(mlp).subject)
    with pytest.raises(ModelError, match=f"has no operator '{named}'; export") as caught:
        OpenVinoCpu().open(model)
    assert "\n" not in str(caught.value)


def test_a_model_that_contradicts_itself_is_refused(saved: Saved, mlp: Path) -> None:
    path = saved(
        [helper.make_node("MatMul", ["x", "x"], ["y"], name="mm")],
        [VALUE("x", TensorProto.FLOAT, [3, 4])],
        [VALUE("y", TensorProto.FLOAT, [3, 4])],
    )
    with pytest.raises(ModelError, match="operator 'MatMul': Incompatible MatMul matrix"):
        OpenVinoCpu().open(Model(path, load_model(mlp).subject))


def test_bad_models_are_refused(mlp: Path, tmp_path: Path) -> None:
    subject = load_model(mlp).subject
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(mlp.read_bytes()[:100])
    check_bad_model(OpenVinoCpu(), Model(broken, subject))
    with pytest.raises(ModelError, match=r"broken\.onnx': the file is cut off"):
        OpenVinoCpu().open(Model(broken, subject))


def test_inputs_of_another_file_are_refused(mlp: Path, two_inputs: Path) -> None:
    with pytest.raises(ModelError, match=r"an input 'ids'.*does not declare"):
        OpenVinoCpu().open(Model(two_inputs, load_model(mlp).subject))


def test_a_run_that_fails_is_explained(mlp: Path) -> None:
    with OpenVinoCpu().open(load_model(mlp)) as session:
        program = session._opened()
        assert isinstance(program.explain(RuntimeError("Check 'x' failed\nfull")), MeasurementError)
        assert str(program.explain(MemoryError())) == memory_advice("mlp.onnx")


def test_a_message_without_words_keeps_its_type() -> None:
    assert short_reason(RuntimeError("")) == "RuntimeError"


def test_missing_and_broken_installations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "openvino"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('libtbb.so.12: cannot open')\n")
    for name in [n for n in sys.modules if n.partition(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    # It looks installed, and only importing it tells that it is not usable.
    assert OpenVinoCpu.availability().ok
    with pytest.raises(DeviceError, match=r"does not import \(libtbb.so.12: cannot open\); rein"):
        _ = OpenVinoCpu().spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert OpenVinoCpu.availability().reason == (
        "openvino is not installed; install it with pip install 'hwprof[openvino]'"
    )
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(DeviceError, match=r"not installed; .*hwprof\[openvino\]"):
        import_runtime()


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from hwprof.devices.openvino import OpenVinoCpu\n"
        "OpenVinoCpu.availability(); OpenVinoCpu.create({})\n"
        "print({'openvino', 'onnx', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
