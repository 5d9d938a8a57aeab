"""The fuzzer's readers of models, of values for their inputs, and of schedules for their kernels.

What is read is read as hwprof does it before a runtime sees anything: shapes decided, values made
up, numbers and outputs looked at.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from fuzz_mutations import mutate_bytes, mutate_lines, mutate_zip, value
from fuzzing import Target
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx import TensorProto, helper, numpy_helper

from hwprof.devices.registry import connect, parse
from hwprof.devices.tvm.records import RECORDS, WORKLOADS, check_records
from hwprof.errors import HwprofError
from hwprof.models.inputs.files import read_folder, read_npy, read_npz
from hwprof.models.load import load_model
from hwprof.models.numerics import numerics_of
from hwprof.models.onnx.cover import nodes_with_work
from hwprof.models.onnx.file import read_structure
from hwprof.models.onnx.functions import inlined
from hwprof.models.outputs import declared_outputs
from hwprof.models.shapes import parse_shape

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
NUMBERS = (0, 1, -1, 2, 7, 64, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
ROOM = 1 << 34
"""Bytes of memory of the machine that models are read for."""


def targets(folder: Path) -> dict[str, Target]:
    """Readers by name. `folder` keeps the programs, which take long to make."""
    models = [proto.SerializeToString() for proto in (*onnx_models(), external())]
    programs = exported(folder)
    found = {
        "onnx": Target(models, ".onnx", read_onnx, mutate_model),
        "npy": Target(arrays(), ".npy", read_npy),
        "npz": Target(archives(), ".npz", read_npz, mutate_zip),
        "test-data": Target(test_data(), ".pb", read_test_data, mutate_tensor),
        "schedules": Target([schedules()], ".json", read_schedules, mutate_lines),
        "device-text": Target(device_texts(), ".txt", read_device),
        "shape-text": Target(shape_texts(), ".txt", read_shape),
    }
    if programs:
        found["pt2"] = Target(programs, ".pt2", read_other, mutate_zip)
    litert = [path.read_bytes() for path in litert_files(folder)]
    if litert:
        found["tflite"] = Target(litert, ".tflite", read_other)
    return found


# Reading.


def read_onnx(path: Path) -> None:
    """Read a model as `hwprof measure` does before it starts a worker, and after."""
    weights = path.with_name("weights.bin")
    weights.write_bytes(bytes(4 * 64))
    model = load_model(path, shapes=None, batch=2, room_bytes=ROOM)
    numerics_of(model)
    declared_outputs(model)
    proto = read_structure(path)
    nodes_with_work(inlined(proto))


def read_other(path: Path) -> None:
    """Read a program or a LiteRT model."""
    model = load_model(path, room_bytes=ROOM)
    numerics_of(model)


def read_test_data(path: Path) -> None:
    """Read a folder like `test_data_set_0`."""
    path.rename(path.with_name("input_0.pb"))
    read_folder(path.parent, ["x"])


def read_schedules(path: Path) -> None:
    """Read a folder of schedules: the records, or where they say so the kernels."""
    content = path.read_bytes()
    first, _, rest = content.partition(b"\n")
    (path.parent / WORKLOADS).write_bytes(first + b"\n")
    (path.parent / RECORDS).write_bytes(rest)
    check_records(path.parent, "znver3", 4)


def read_device(path: Path) -> None:
    """Read a device as it is written on the command line."""
    name, options = parse(path.read_bytes().decode("utf-8", "surrogateescape"))
    connect(name, options)


def read_shape(path: Path) -> None:
    """Read a shape as it is written on the command line."""
    name, sizes = parse_shape(path.read_bytes().decode("utf-8", "surrogateescape"))
    model = path.with_name("model.onnx")
    model.write_bytes(onnx_models()[0].SerializeToString())
    load_model(model, shapes={name: sizes}, room_bytes=ROOM)


# Changing.


def mutate_model(number: random.Random, content: bytes) -> bytes:
    """Change fields of a model: numbers, names, repeated and left out parts."""
    return _mutated(number, content, onnx.ModelProto())


def mutate_tensor(number: random.Random, content: bytes) -> bytes:
    """As `mutate_model`, of a stored tensor or a sequence of them."""
    kind = number.choice((TensorProto, onnx.SequenceProto, onnx.OptionalProto))
    return _mutated(number, content, kind())


def _mutated(number: random.Random, content: bytes, message: Message) -> bytes:
    try:
        message.ParseFromString(content)
    except DecodeError:
        return mutate_bytes(number, content)
    for _ in range(number.choice((1, 1, 2, 4))):
        _change(number, message)
    return message.SerializeToString()


def _change(number: random.Random, message: Message) -> None:
    """Change one field somewhere inside a message."""
    while True:
        fields = message.ListFields()
        if not fields:
            return
        field, content = number.choice(fields)
        many = field.is_repeated if hasattr(field, "is_repeated") else field.label == 3
        inner = list(content) if many else [content]
        if field.type == FieldDescriptor.TYPE_MESSAGE and inner and number.random() < 0.8:
            message = number.choice(inner)
            continue
        # Some values are of no possible type for the field: then it stays as it is.
        with contextlib.suppress(TypeError, ValueError, AttributeError, KeyError, IndexError):
            if many:
                _change_list(number, message, field.name)
            else:
                setattr(message, field.name, _other(number, content))
        return


def _change_list(number: random.Random, message: Message, name: str) -> None:
    parts = getattr(message, name)
    at = number.randrange(len(parts))
    match number.randrange(4):
        case 0:
            del parts[at]
        case 1:
            parts.extend([parts[at]] * number.choice((1, 2, 30)))
        case 2 if not isinstance(parts[at], Message):
            parts[at] = _other(number, parts[at])
        case _:
            message.ClearField(name)


def _other(number: random.Random, old: object) -> object:
    if isinstance(old, int) and not isinstance(old, bool):
        return number.choice((*NUMBERS, old + 1, number.randrange(30)))
    if isinstance(old, bytes):
        return mutate_bytes(number, old)
    return value(number, old)


# What is changed.


def end(name: str, kind: int, shape: list[int | str] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    stored: list[TensorProto] | None = None,
    functions: list[onnx.FunctionProto] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", inputs, outputs, stored or [])
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=9, functions=functions or [])


def onnx_models() -> list[onnx.ModelProto]:
    """Small models of every form that is looked into."""
    real, whole = TensorProto.FLOAT, TensorProto.INT64
    node, stored = helper.make_node, numpy_helper.from_array
    weight = stored(np.ones((4, 4), np.float32), "w")
    x, y = end("x", real, ["batch", 4]), end("y", real, None)
    plain = model(
        [node("MatMul", ["x", "w"], ["m"]), node("Relu", ["m"], ["y"])], [x], [y], [weight]
    )
    branch = [
        helper.make_graph([node(kind, ["x"], ["b"])], "b", [], [end("b", real, None)])
        for kind in ("Relu", "Neg")
    ]
    chosen = model(
        [
            node("ReduceSum", ["x"], ["s"], keepdims=0),
            node("Greater", ["s", "zero"], ["c"]),
            node("If", ["c"], ["y"], then_branch=branch[0], else_branch=branch[1]),
        ],
        [x],
        [y],
        [stored(np.array(0, np.float32), "zero")],
    )
    body = helper.make_graph(
        [
            node("Identity", ["more"], ["on"]),
            node("Add", ["state", "one"], ["next"]),
            node("Identity", ["next"], ["out"]),
        ],
        "body",
        [end("i", whole, []), end("more", TensorProto.BOOL, []), end("state", real, None)],
        [end("on", TensorProto.BOOL, []), end("next", real, None), end("out", real, None)],
        [stored(np.array(1, np.float32), "one")],
    )
    looped = model(
        [node("Loop", ["times", "", "x"], ["z", "y"], body=body)],
        [x],
        [y],
        [stored(np.array(3, np.int64), "times")],
    )
    inner = helper.make_function(
        "mine", "Inner", ["a"], ["b"], [node("LeakyRelu", ["a"], ["b"], alpha=0.5)], OPSETS
    )
    outer = helper.make_function(
        "mine", "Outer", ["a"], ["b"], [node("Inner", ["a"], ["b"], domain="mine")], OPSETS
    )
    called = model([node("Outer", ["x"], ["y"], domain="mine")], [x], [y], functions=[inner, outer])
    scale, zero = stored(np.array(0.1, np.float32), "scale"), stored(np.array(3, np.uint8), "zero")
    quantised = model(
        [
            node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
        ],
        [x],
        [y],
        [scale, zero],
    )
    sized = model(
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "first"], ["n"], axis=0),
            node("Concat", ["n", "rest"], ["t"], axis=0),
            node("Mul", ["t", "t"], ["u"]),
            node("ConstantOfShape", ["t"], ["o"]),
            node("Expand", ["o", "u"], ["e"]),
            node("Reshape", ["x", "t"], ["r"]),
            node("Gather", ["table", "ids"], ["p"]),
            node("Add", ["r", "e"], ["y"]),
        ],
        [x, end("ids", whole, ["batch", 3])],
        [y, end("p", real, None)],
        [
            stored(np.array([0], np.int64), "first"),
            stored(np.array([4], np.int64), "rest"),
            stored(np.ones((10, 2), np.float32), "table"),
        ],
    )
    return [plain, chosen, looped, called, quantised, sized]


def external() -> onnx.ModelProto:
    """A model with its weights in another file."""
    made = onnx_models()[0]
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in (("location", "weights.bin"), ("offset", "0"), ("length", "64")):
        tensor.external_data.add(key=key, value=text)
    return made


def exported(folder: Path) -> list[bytes]:
    """Programs of torch.export; none without torch. Made once, then taken from `folder`."""
    paths = [folder / "linear.pt2", folder / "picking.pt2"]
    if not all(path.exists() for path in paths):
        try:
            import torch
        except ImportError:
            return []

        class Picking(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.table = torch.nn.Embedding(10, 4)

            def forward(self, ids: torch.Tensor) -> torch.Tensor:
                return torch.softmax(self.table(ids + 1), -1)

        linear = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU()).eval()
        for path, module, given in (
            (paths[0], linear, torch.rand(2, 4)),
            (paths[1], Picking().eval(), torch.zeros(2, 3, dtype=torch.int64)),
        ):
            torch.export.save(torch.export.export(module, (given,)), str(path))
    return [_small(path.read_bytes()) for path in paths]


def _small(content: bytes) -> bytes:
    """A program without the members that hwprof never reads."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            read = "/models/" in info.filename or "/data/" in info.filename
            if read and not info.filename.endswith("sample_inputs/model.pt"):
                new.writestr(zipfile.ZipInfo(info.filename), old.read(info))
    return made.getvalue()


def litert_files(folder: Path) -> list[Path]:
    """LiteRT models; none without LiteRT."""
    path = folder / "plain.tflite"
    if not path.exists():
        source = folder / "plain.onnx"
        source.write_bytes(onnx_models()[0].SerializeToString())
        try:
            from hwprof.convert.litert.model import to_litert

            to_litert(source, load_model(source, batch=2).subject.inputs, path)
        except (ImportError, HwprofError):
            return []
    return [path]


def arrays() -> list[bytes]:
    """Arrays as numpy.save writes them."""
    made = []
    for array in (np.ones((2, 3), np.float32), np.array(["a", "bc"]), np.zeros((), np.int64)):
        stream = io.BytesIO()
        np.save(stream, array)
        made.append(stream.getvalue())
    return made


def archives() -> list[bytes]:
    """Archives as numpy.savez and numpy.savez_compressed write them."""
    made = []
    write: Callable[..., None]
    for write in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        write(stream, x=np.ones((2, 3), np.float32), ids=np.arange(4))
        made.append(stream.getvalue())
    return made


def test_data() -> list[bytes]:
    """A tensor, a sequence and an optional as onnx's own tests keep them."""
    tensor = numpy_helper.from_array(np.ones((2, 3), np.float32), "x")
    sequence = numpy_helper.from_list([np.ones(2, np.float32), np.ones(3, np.float32)], "s")
    optional = numpy_helper.from_optional(np.ones(2, np.float32), "o")
    return [each.SerializeToString() for each in (tensor, sequence, optional)]


def schedules() -> bytes:
    """A kernel and two records, as meta-schedule writes them."""
    kernel = {"root_index": 0, "nodes": [{"type": "tirx.PrimFunc", "data": {}}, {"type": "int"}]}
    target = {"kind": "llvm", "mcpu": "znver3", "num-cores": 4}
    trace = [
        [
            ["GetSBlock", [], ["matmul", "main"], ["b0"]],
            ["GetLoops", ["b0"], [], ["l1", "l2"]],
            ["SamplePerfectTile", ["l1"], [2, 64], ["v3", "v4"]],
            ["Split", ["l1", "v3", "v4"], [1, 0], ["l5", "l6"]],
            ["Annotate", ["b0", 16], ["meta_schedule.vectorize"], []],
        ],
        [[2, [4, 4]]],
    ]
    record = [0, [trace, [0.1], target, [["TENSOR", "float32", [1, 16]]]]]
    lines = [["123", json.dumps(kernel)], record, record]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def device_texts() -> list[bytes]:
    """Devices as people write them."""
    return [
        b"onnxruntime-cpu:threads=2,opt=basic,spin=off",
        b"cpu:precision=fp16",
        b"tvm-cpu:tune=0,mcpu=znver3,pipeline=zero",
        b"torch-cpu:mode=compiled,freezing=on",
    ]


def shape_texts() -> list[bytes]:
    """Shapes as people write them."""
    return [b"x=2,4", b"x=3,*", b"x=1,4"]
