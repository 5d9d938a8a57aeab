"""Programs of torch.export: read without running anything in them, and measured."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hwprof.convert.torch.exported import read_exported
from hwprof.devices.torch import TorchCpu
from hwprof.errors import ModelError
from hwprof.models.load import load_model
from hwprof.testing.devices import check_device

# Of torch.export, about torch's own code.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


class Small(torch.nn.Module):
    """Parameters, buffers, several results of one call, a keyword and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.register_buffer("shift", torch.arange(3.0))
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor, *, scale: torch.Tensor) -> dict[str, torch.Tensor]:
        a, b = torch.split(self.norm(self.conv(x)), 2, 1)
        y = torch.softmax(self.head(torch.cat([b, a], 1).mean((2, 3))), -1)
        return {"y": y * scale + self.shift, "flat": y.reshape(y.shape[0], -1)}


INPUTS = (torch.rand(2, 3, 8, 8),)
NAMED = {"scale": torch.rand(3)}


def save(path: Path, *, dynamic: bool = False) -> Path:
    shapes = {"x": {0: torch.export.Dim("batch")}, "scale": None} if dynamic else None
    program = torch.export.export(Small().eval(), INPUTS, NAMED, dynamic_shapes=shapes)
    torch.export.save(program, str(path))
    return path


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("pt2") / "small.pt2")


def changed(source: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of an archive with its graph changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("models/model.json"):
                graph = json.loads(data)
                change(graph)
                data = json.dumps(graph).encode()
            new.writestr(name, data)
    return target


def test_a_program_computes_the_same(program: Path) -> None:
    model = load_model(program)
    assert [(t.name, t.shape) for t in model.subject.inputs] == [
        ("x", (2, 3, 8, 8)),
        ("scale", (3,)),
    ]
    found = read_exported(program, model.subject)(*INPUTS, NAMED["scale"])
    expected = torch.export.load(str(program)).module()(*INPUTS, **NAMED)
    torch.testing.assert_close(list(found), list(expected.values()))


def test_open_dimensions_are_decided(tmp_path: Path) -> None:
    path = save(tmp_path / "dynamic.pt2", dynamic=True)
    model = load_model(path, shapes={"x": (5, 3, 8, 8)})
    x = torch.rand(5, 3, 8, 8)
    found = read_exported(path, model.subject)(x, NAMED["scale"])
    expected = torch.export.load(str(path)).module()(x, **NAMED)
    torch.testing.assert_close(list(found), list(expected.values()))


def test_the_laws_hold(program: Path) -> None:
    check_device(TorchCpu(), load_model(program))


def test_source_nodes_are_those_of_the_program(program: Path) -> None:
    with TorchCpu().open(load_model(program)) as session:
        profile = session.profile(1).profile
    named = {node.name for node in torch.export.load(str(program)).graph.nodes}
    covered = [name for o in profile.occurrences for name in o.source_nodes]
    assert set(covered) <= named
    assert {"conv2d", "batch_norm", "linear", "softmax"} <= set(covered)


def test_another_precision(program: Path) -> None:
    with TorchCpu(precision="bf16").open(load_model(program)) as session:
        first, _ = session.outputs()
    expected = torch.export.load(str(program)).module()(*INPUTS, **NAMED)["y"]
    assert first.dtype == "float32"
    assert first.shape == tuple(expected.shape)


@pytest.mark.parametrize(
    "target",
    ["torch.os.system", "torch.ops.aten.from_file.default", "_operator.attrgetter", "math.exp"],
)
def test_only_operators_are_called(target: str, program: Path, tmp_path: Path) -> None:
    """torch.export.load would look `torch.os.system` up and call it."""

    def call(graph: dict[str, Any]) -> None:
        graph["graph_module"]["graph"]["nodes"][0]["target"] = target

    path = changed(program, tmp_path / "hostile.pt2", call)
    with pytest.raises(ModelError, match=f"'{target}' in 'hostile.pt2' is no operator"):
        read_exported(path, load_model(path).subject)


def test_pickles_are_never_loaded(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "pickled.pt2"
    with zipfile.ZipFile(program) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("model_weights_config.json"):
                data = data.replace(b'"use_pickle": false', b'"use_pickle": true')
            if name.endswith("sample_inputs/model.pt"):
                data = b"cos\nabort\n(tR."  # unpickling it would end this process
            new.writestr(name, data)
    with pytest.raises(ModelError, match="pickled Python objects, which hwprof never loads"):
        load_model(path)


def test_a_compressed_archive_is_refused(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.pt2"
    with (
        zipfile.ZipFile(program) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ModelError, match="compressed archive"):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04"])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.pt2"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"is not a program of torch\.export"):
        load_model(path)


def test_a_weight_outside_its_record_is_refused(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "beyond.pt2"
    with zipfile.ZipFile(program) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("model_weights_config.json"):
                config = json.loads(data)
                config["config"]["conv.bias"]["tensor_meta"]["sizes"] = [{"as_int": 400}]
                data = json.dumps(config).encode()
            new.writestr(name, data)
    with pytest.raises(ModelError, match="does not fit what is stored"):
        read_exported(path, load_model(path).subject)


def test_the_format_of_another_version_is_refused(program: Path, tmp_path: Path) -> None:
    def age(graph: dict[str, Any]) -> None:
        graph["schema_version"]["major"] = 7

    path = changed(program, tmp_path / "old.pt2", age)
    with pytest.raises(ModelError, match="version 7 of its format"):
        load_model(path)
