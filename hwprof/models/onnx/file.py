"""ONNX files: their structure, inputs and external data, or a sentence why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwprof.errors import ModelError
from hwprof.graph import ITEM_BITS, TensorSpec

if TYPE_CHECKING:
    import onnx


def read_proto(path: Path) -> onnx.ModelProto:
    """The model's structure; external data stays on disk. Raises ModelError."""
    import onnx
    from google.protobuf.message import DecodeError

    if path.is_dir():
        raise ModelError(f"'{path}' is a folder; name the .onnx file inside it")
    if not path.exists():
        raise ModelError(f"there is no file '{path}'; check the path")
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except PermissionError as error:
        raise ModelError(f"'{path}' may not be read; check its permissions") from error
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read: {error.strerror}; check the disk") from error
    except (DecodeError, ValueError) as error:
        raise ModelError(
            f"'{path}' is not an ONNX model, or is cut off; export or download it again"
        ) from error
    graph = proto.graph
    if not graph.node or not graph.output or not proto.opset_import:
        raise ModelError(
            f"'{path}' holds no ONNX graph that computes anything; export or download it again"
        )
    made = {name for node in graph.node for name in node.output}
    made |= {t.name for t in graph.input} | {t.name for t in graph.initializer}
    made |= {t.values.name for t in graph.sparse_initializer}
    missing = [t.name for t in graph.output if t.name not in made]
    if missing:
        raise ModelError(
            f"no node of '{path}' computes its output '{missing[0]}', so the file is cut off or "
            "broken; export or download it again"
        )
    return proto


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every stored tensor: initializers and constants, those of subgraphs included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("g"):
                yield from tensors(attribute.g)
            for inner in attribute.graphs:
                yield from tensors(inner)


def external_files(proto: onnx.ModelProto, path: Path) -> dict[str, Path]:
    """Files that hold the model's weights, by the locations that it names; sorted by file.

    A location must stay inside the model's folder (links resolved): a received model must not
    read other files of this machine. Raises ModelError for one elsewhere, missing or cut off.
    """
    import onnx

    folder = path.parent.resolve()
    found: dict[str, Path] = {}
    for tensor in tensors(proto.graph):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        target = (folder / location).resolve()
        if not location or Path(location).is_absolute() or not target.is_relative_to(folder):
            raise ModelError(
                f"'{path.name}' keeps weights outside its own folder ('{location}'), which is "
                "not allowed; move them beside the model and save it with relative locations"
            )
        if not target.is_file():
            raise ModelError(
                f"'{path.name}' needs its weights file '{location}' beside it, which is missing; "
                "copy it there"
            )
        numbers = [entries.get("offset", "0"), entries.get("length", "0")]
        if not all(number.isdecimal() for number in numbers) or (
            sum(int(number) for number in numbers) > target.stat().st_size
        ):
            raise ModelError(
                f"the weights file '{location}' of '{path.name}' is shorter than the model says; "
                "copy or download it again"
            )
        found[location] = target
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def dtype_name(elem_type: int) -> str:
    """NumPy's name of an ONNX element type; ONNX's own, lower case, where NumPy has none."""
    import onnx

    name: str = onnx.TensorProto.DataType.Name(elem_type).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def declared_inputs(proto: onnx.ModelProto) -> list[tuple[str, str, list[int | str] | None]]:
    """(name, dtype, dims) of each real input; a dim is a number or a symbol ("" unnamed).

    dims is None when the model does not even state the rank. Raises ModelError for inputs that
    are not tensors.
    """
    constants = {t.name for t in proto.graph.initializer}
    declared: list[tuple[str, str, list[int | str] | None]] = []
    for value in proto.graph.input:
        if value.name in constants:  # older models list their weights among the inputs
            continue
        if not value.type.HasField("tensor_type"):
            raise ModelError(
                f"input '{value.name}' is a {value.type.WhichOneof('value')}, not a tensor; "
                "export the model with tensor inputs"
            )
        kind = value.type.tensor_type
        dims: list[int | str] | None = None
        if kind.HasField("shape"):
            dims = [_dimension(d) for d in kind.shape.dim]
        declared.append((value.name, dtype_name(kind.elem_type), dims))
    return declared


def _dimension(dim: onnx.TensorShapeProto.Dimension) -> int | str:
    """A size, or the symbol that stands for one; "" where it has no name of its own."""
    # Some exporters write 0, -1 or "?" where they mean "open".
    if dim.HasField("dim_value") and dim.dim_value > 0:
        return dim.dim_value
    return "" if dim.dim_param == "?" else dim.dim_param


def needed_bytes(proto: onnx.ModelProto, inputs: Sequence[TensorSpec]) -> int:
    """Memory that weights and inputs alone take."""
    needed = sum(t.nbytes or 0 for t in inputs)
    for tensor in tensors(proto.graph):
        count = 1
        for dim in tensor.dims:
            count *= dim
        needed += count * ITEM_BITS.get(dtype_name(tensor.data_type), 8) // 8
    return needed
