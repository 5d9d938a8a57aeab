""".pt2 files that were made to run code or fill a memory."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from hwprof.convert.torch.exported import read_exported
from hwprof.errors import HwprofError, ModelError
from hwprof.models.load import load_model
from hwprof.models.numerics import numerics_of

# Of torch.export, about torch's own code.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    module = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU()).eval()
    path = tmp_path_factory.mktemp("pt2") / "net.pt2"
    torch.export.save(torch.export.export(module, (torch.rand(2, 8),)), str(path))
    return path


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def with_graph(source: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    def rewrite(name: str, data: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return data
        document = json.loads(data)
        change(document)
        return json.dumps(document).encode()

    return rewritten(source, folder / "hostile.pt2", rewrite)


def with_weights(source: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    def rewrite(name: str, data: bytes) -> bytes:
        if not name.endswith("model_weights_config.json"):
            return data
        document = json.loads(data)
        for config in document["config"].values():
            change(config)
        return json.dumps(document).encode()

    return rewritten(source, folder / "hostile.pt2", rewrite)


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_model(path)
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


def size_of(value: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        tensors = document["graph_module"]["graph"]["tensor_values"]
        for meta in tensors.values():
            meta["sizes"][0] = {"as_int": value}

    return change


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 2**63, 10**4000, [], None, "x"])
def test_sizes_that_are_none(value: object, program: Path, tmp_path: Path) -> None:
    text = refused(with_graph(program, tmp_path, size_of(value)))
    assert "cannot read" in text or "is not a program" in text


@pytest.mark.parametrize("key", ["sizes", "strides", "storage_offset"])
@pytest.mark.parametrize("value", [float("inf"), 2**63, "x"])
def test_weights_of_sizes_that_are_none(
    key: str, value: object, program: Path, tmp_path: Path
) -> None:
    def change(config: dict[str, Any]) -> None:
        meta = config["tensor_meta"]
        meta[key] = {"as_int": value} if key == "storage_offset" else [{"as_int": value}]

    assert "cannot read" in refused(with_weights(program, tmp_path, change))


def test_weights_that_spread_need_their_memory(program: Path, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        meta = config["tensor_meta"]
        meta["sizes"] = [{"as_int": 2**40}]
        meta["strides"] = [{"as_int": 0}]

    path = with_weights(program, tmp_path, change)
    with pytest.raises(ModelError, match="needs at least"):
        load_model(path, room_bytes=1 << 40)


def test_of_a_record_only_what_is_reached_is_read(program: Path, tmp_path: Path) -> None:
    for change in (
        {"sizes": [{"as_int": 2**40}], "strides": [{"as_int": 1}]},
        {"storage_offset": {"as_int": 2**40}},
        {"storage_offset": {"as_int": -1}},
        {"strides": [{"as_int": -1}, {"as_int": 1}]},
    ):
        path = with_weights(program, tmp_path, lambda c, new=change: c["tensor_meta"].update(new))
        subject = load_model(program).subject
        with pytest.raises(ModelError, match="does not fit what is stored"):
            read_exported(path, subject)


def test_deep_json(program: Path, tmp_path: Path) -> None:
    def deep(name: str, data: bytes) -> bytes:
        return b"[" * 100_000 if name.endswith("models/model.json") else data

    assert "is not a program" in refused(rewritten(program, tmp_path / "deep.pt2", deep))


def test_halves_of_characters(program: Path, tmp_path: Path) -> None:
    def half(name: str, data: bytes) -> bytes:
        return data.replace(b'"x"', rb'"\ud800"').replace(b'"input"', rb'"\ud800"')

    assert "is not a program" in refused(rewritten(program, tmp_path / "half.pt2", half))


def test_an_encrypted_archive(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.pt2"
    content = bytearray(program.read_bytes())
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 8] |= 1
        at = content.find(b"PK\x01\x02", at + 4)
    path.write_bytes(content)
    assert "is encrypted" in refused(path)


def test_members_that_lie_over_one_another(program: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.pt2"
    content = bytearray(program.read_bytes())
    at = content.rfind(b"PK\x01\x02")
    content[at + 20 : at + 28] = (2**30).to_bytes(4, "little") * 2
    path.write_bytes(content)
    assert "is not a program" in refused(path)


Graph = dict[str, Any]


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g.update(nodes=None),
        lambda g: g.update(nodes=[1]),
        lambda g: g["nodes"][0].update(target=7),
        lambda g: g["nodes"][0].update(inputs=[{"arg": []}]),
        lambda g: g["nodes"][0].update(inputs=[{"arg": {"as_int": 1, "as_bool": True}}]),
        lambda g: g["nodes"][0].update(outputs=[{}]),
        lambda g: g["nodes"][0].update(inputs=[{"arg": {"as_graph": {"graph": 1}}}]),
        lambda g: g.update(tensor_values={"x": {"dtype": []}}),
    ],
)
def test_graphs_of_another_form(
    change: Callable[[Graph], None], program: Path, tmp_path: Path
) -> None:
    path = with_graph(program, tmp_path, lambda d: change(d["graph_module"]["graph"]))
    assert "cannot read" in refused(path)


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.set_.source_Tensor",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten._reshape_alias.default",
        "torch.ops.aten._index_put_impl_.default",
        "torch.ops.aten.record_stream.default",
        "torch.ops.mine._assert_async.default",
        "torch.ops.mine.op.default",
        "torch.ops.prims.svd.default",
        "torch.ops.aten.__class__.default",
    ],
)
def test_only_listed_operators_are_called(target: str, program: Path, tmp_path: Path) -> None:
    def call(document: Graph) -> None:
        document["graph_module"]["graph"]["nodes"][0]["target"] = target

    path = with_graph(program, tmp_path, call)
    with pytest.raises(ModelError, match="is no operator of PyTorch's own that models are run on"):
        read_exported(path, load_model(path).subject)


def test_numbers_of_a_hostile_graph_are_looked_at_safely(program: Path, tmp_path: Path) -> None:
    def change(document: Graph) -> None:
        document["graph_module"]["graph"]["nodes"][0]["target"] = "..."

    path = with_graph(program, tmp_path, change)
    with suppress(HwprofError):
        numerics_of(load_model(path))


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ([{"as_string": "x"}, {"as_int": 2**40}], "computes with what is no number"),
        ([{"as_ints": [1]}, {"as_int": 2**40}], "computes with what is no number"),
        ([{"as_int": 2**62}, {"as_int": 2**62}], "computes a number beyond any size"),
    ],
)
def test_sizes_are_computed_of_numbers(
    numbers: list[Graph], says: str, program: Path, tmp_path: Path
) -> None:
    def change(document: Graph) -> None:
        inputs = [{"name": "", "arg": each, "kind": 1} for each in numbers]
        outputs = [{"as_sym_int": {"as_name": "n"}}]
        product = {"target": "_operator.mul", "inputs": inputs, "outputs": outputs}
        document["graph_module"]["graph"]["nodes"].insert(0, product)

    path = with_graph(program, tmp_path, change)
    with pytest.raises(ModelError, match=says):
        read_exported(path, load_model(path).subject)


def test_a_tensor_of_any_size_is_not_made(program: Path, tmp_path: Path) -> None:
    def change(document: Graph) -> None:
        inputs = [
            {"name": "size", "arg": {"as_ints": [2**42]}, "kind": 1},
            {"name": "value", "arg": {"as_int": 1}, "kind": 1},
        ]
        outputs = [{"as_tensor": {"name": "vast"}}]
        made = {"target": "torch.ops.aten.full.default", "inputs": inputs, "outputs": outputs}
        document["graph_module"]["graph"]["nodes"].insert(0, made)

    path = with_graph(program, tmp_path, change)
    with pytest.raises(ModelError, match="does not fit its inputs"):
        read_exported(path, load_model(path).subject)
