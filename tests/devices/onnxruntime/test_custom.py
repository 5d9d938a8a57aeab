"""Libraries of operators: loaded when the user names one, and part of what the device is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import hwprof
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.devices.registry import connect
from hwprof.errors import DeviceError, ModelError, OptionError
from hwprof.models.load import load_model
from hwprof.profiler.agreement import OWN_OPERATORS, Agreement
from hwprof.profiler.plan import Plan
from tests.devices.onnxruntime.custom_operator import SOURCE

QUICK = Plan(budget_s=0.05, restarts=1, pin="none")


def built(source: str, path: Path) -> Path:
    compiler = shutil.which("cc")
    assert compiler is not None
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-std=gnu11", "-w", "-xc", "-", "-o", str(path)],
        input=source.encode(),
        check=True,
    )
    return path


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with one operator, `acme.Twice`."""
    return built(SOURCE, tmp_path_factory.mktemp("library") / "libtwice.so")


@pytest.fixture
def twice(tmp_path: Path) -> Path:
    """y = Relu(2 x), the doubling by an operator of one's own."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 4]) for name in "xy"]
    nodes = [
        helper.make_node("Twice", ["x"], ["t"], name="double", domain="acme"),
        helper.make_node("Relu", ["t"], ["y"], name="relu"),
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)]
    graph = helper.make_graph(nodes, "twice", ends[:1], ends[1:])
    path = tmp_path / "twice.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


def test_a_model_runs_with_its_library(twice: Path, library: Path) -> None:
    model = load_model(twice)
    device = connect("onnxruntime-cpu", {"custom_ops": str(library)})
    with device.open(model) as session:
        (output,) = session.outputs()
        assert output.shape == (2, 4)
        profiled = session.profile(2).profile
    nodes = [node for each in profiled.occurrences for node in each.source_nodes]
    assert sorted(nodes) == ["double", "relu"]
    assert any("Twice" in each.kernel.key for each in profiled.occurrences)
    with pytest.raises(ModelError, match="--custom-ops"):
        OnnxRuntimeCpu().open(model)


def test_the_library_is_part_of_the_identity(library: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other-name.so"
    copy.write_bytes(library.read_bytes())
    specs = [connect("cpu", {"custom_ops": str(path)}).spec for path in (library, copy)]
    assert specs[0].fingerprint == specs[1].fingerprint
    copy.write_bytes(library.read_bytes() + b"\0")
    changed = connect("cpu", {"custom_ops": str(copy)}).spec
    plain = connect("cpu").spec
    assert "custom_ops" not in plain.options
    assert len({specs[0].fingerprint, changed.fingerprint, plain.fingerprint}) == 3


def test_outputs_have_no_reference_then(twice: Path, library: Path) -> None:
    model = load_model(twice)
    spec = connect("cpu", {"custom_ops": str(library)}).spec
    check = Agreement().of(model, spec)
    assert check is not None
    assert check(None).reason == OWN_OPERATORS  # type: ignore[arg-type]
    found = hwprof.measure(twice, "cpu", QUICK, custom_ops=library)
    assert found.provenance.outputs is not None
    assert found.provenance.outputs.reason == OWN_OPERATORS
    assert found.device.options["custom_ops"] == spec.options["custom_ops"]
    assert found.profile is not None
    (outcome,) = hwprof.sweep(twice, "cpu", plan=QUICK, custom_ops=str(library))
    assert outcome.measurement is not None
    assert outcome.measurement.device == found.device


def test_libraries_that_do_not_load(twice: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("no library")
    bare = built("int nothing;", tmp_path / "bare.so")
    failing = built(
        "void *RegisterCustomOps(void *o, void *a) { static char s[64] = {1}; return 0; }",
        tmp_path / "idle.so",
    )
    model = load_model(twice)
    for path in (text, bare):
        with pytest.raises(DeviceError, match="does not load the library of operators") as error:
            connect("cpu", {"custom_ops": str(path)}).open(model)
        assert "\n" not in str(error.value)
    # It loads, and has no operator.
    with pytest.raises(ModelError, match="Twice"):
        connect("cpu", {"custom_ops": str(failing)}).open(model)


def test_what_is_no_library_is_refused_at_once(tmp_path: Path, mlp: Path, library: Path) -> None:
    for path in (tmp_path / "gone.so", tmp_path, Path("/dev/zero")):
        with pytest.raises(OptionError):
            hwprof.measure(mlp, "cpu", QUICK, custom_ops=path)
    with pytest.raises(OptionError, match="needs precision=native"):
        connect("cpu", {"custom_ops": str(library), "precision": "fp16"})
    with pytest.raises(OptionError, match="has no option 'custom_ops'"):
        hwprof.measure(mlp, "openvino-cpu", QUICK, custom_ops=library)
    with pytest.raises(OptionError, match="which sets it; keep one"):
        hwprof.measure(mlp, f"cpu:custom_ops={library}", QUICK, custom_ops=library)
    with pytest.raises(OptionError, match="must be the path"):
        hwprof.measure(mlp, "cpu", QUICK, custom_ops=7)  # type: ignore[arg-type]
