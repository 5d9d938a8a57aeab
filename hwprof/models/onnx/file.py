"""ONNX files: their structure, inputs and external data, or a sentence why not."""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hwprof.errors import ModelError, one_line
from hwprof.graph import ITEM_BITS
from hwprof.models.base import ModelFile, unreadable
from hwprof.models.onnx.batch import batch_axes
from hwprof.models.onnx.check import check_model, every_tensor
from hwprof.models.onnx.check import tensors as tensors
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.models.onnx.values import choose_values
from hwprof.models.plain_file import (
    memory_bytes,
    plain_size,
    printable,
    refuse_beyond_memory,
    unreachable,
)
from hwprof.models.shapes import DeclaredInput

if TYPE_CHECKING:
    import onnx

# What exporters write for "open" is no name: two such dimensions need not be equal.
_NAMELESS = re.compile(r"|\?|-1|none|unknown|unk_*\d*", re.IGNORECASE)
# Of a place in a file: those of the largest number of 64 bits.
_MOST_DIGITS = 19
_SHOWN = 80


def read_structure(path: Path) -> onnx.ModelProto:
    """The model without the weights that lie in files beside it. Raises ModelError."""
    proto = parse(path)
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


def read_with_weights(path: Path) -> onnx.ModelProto:
    """The model with all its weights in memory. Raises ModelError, MemoryError."""
    from onnx.checker import ValidationError
    from onnx.external_data_helper import load_external_data_for_model

    proto = read_structure(path)
    if external_files(proto, path):
        _limit_lengths(proto)
        try:
            load_external_data_for_model(proto, str(path.parent))
        except OSError as error:
            raise unreadable(str(error.filename or path), error) from error
        except (ValidationError, ValueError) as error:  # a link, among others
            raise ModelError(
                f"onnx refuses the weights beside '{path.name}' ({one_line(error)}); "
                "save the model anew, with its weights in a plain file"
            ) from error
    return proto


def _limit_lengths(proto: onnx.ModelProto) -> None:
    """Have every tensor in another file read what it holds: without a length, all there is."""
    import onnx

    for tensor in every_tensor(proto):
        bits = ITEM_BITS.get(onnx_dtype(tensor.data_type))
        if tensor.data_location != onnx.TensorProto.EXTERNAL or bits is None:
            continue
        holds = (math.prod(tensor.dims) * bits + 7) // 8
        entries = {entry.key: entry for entry in tensor.external_data}
        if "length" not in entries:
            entries["length"] = tensor.external_data.add(key="length", value=str(holds))
        entries["length"].value = str(min(holds, int(entries["length"].value)))


def parse(path: Path) -> onnx.ModelProto:
    """What stands in a file, even if it computes nothing: graphs that runtimes left behind.

    External data stays on disk. Raises ModelError.
    """
    import onnx
    from google.protobuf.message import DecodeError

    size = plain_size(path)
    refuse_beyond_memory(path, size)
    if not size:  # nor is anything read of files that the kernel makes up
        return onnx.ModelProto()
    try:
        # Whatever it is called: no runtime opens the forms in text.
        return onnx.load(str(path), format="protobuf", load_external_data=False)
    except OSError as error:
        raise unreadable(path, error) from error
    except (DecodeError, ValueError, MemoryError) as error:
        raise ModelError(
            f"'{path}' is not an ONNX model, or is cut off; export or download it again"
        ) from error


def model_file(path: Path) -> ModelFile:
    """What an ONNX file says of itself. Raises ModelError."""
    proto = read_structure(path)
    check_model(proto, path.name)
    external = external_files(proto, path)
    weights = weights_bytes(proto)
    _refuse_padded(path, external, weights)
    return ModelFile(
        "onnx",
        tuple(declared_inputs(proto)),
        weights,
        external,
        batch_axes(proto),
        partial(choose_values, proto),
    )


def _refuse_padded(path: Path, external: Mapping[str, Path], weights: int) -> None:
    """Raise ModelError for a weights file that is far larger than what the model uses of it.

    Such a file may be nothing but holes, and reading it for its hash would not end.
    """
    memory = memory_bytes()
    for location, file in external.items():
        size = plain_size(file)
        if memory is not None and size > weights + memory:
            raise ModelError(
                f"the weights file '{location[:_SHOWN]}' of '{path.name}' has "
                f"{size / 2**30:.1f} GiB, and the model uses {weights / 2**30:.1f} GiB; save it "
                "anew, with its weights alone"
            )


def external_files(proto: onnx.ModelProto, path: Path) -> dict[str, Path]:
    """Files that hold the model's weights, by the locations that it names; sorted by file.

    A location must stay inside the model's folder (links resolved): a received model must not
    read other files of this machine. Raises ModelError for one elsewhere, missing or cut off.
    """
    import onnx

    folder = path.parent.resolve()
    found: dict[str, Path] = {}
    sizes: dict[str, int] = {}
    for tensor in every_tensor(proto):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: str(entry.value) for entry in tensor.external_data}
        location = entries.get("location", "")
        if location not in found:
            found[location], sizes[location] = _beside(path, folder, location)
        numbers = [entries.get("offset", "0"), entries.get("length", "0")]
        fit = all(number.isdecimal() and len(number) <= _MOST_DIGITS for number in numbers)
        if not fit or sum(int(number) for number in numbers) > sizes[location]:
            raise ModelError(
                f"the weights file '{location[:_SHOWN]}' of '{path.name}' is shorter than the "
                "model says; copy or download it again"
            )
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def _beside(path: Path, folder: Path, location: str) -> tuple[Path, int]:
    """A weights file of the model at `path` in `folder`, and its size. Raises ModelError."""
    shown = printable(location if len(location) <= _SHOWN else f"{location[:_SHOWN]}...")
    try:
        target = (folder / location).resolve()
        inside = location and not Path(location).is_absolute() and target.is_relative_to(folder)
        found = target.stat() if inside else None
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(path, shown) from error
    except (OSError, ValueError, RuntimeError) as error:
        # RuntimeError: links in a circle; ValueError: the character NUL.
        reason = unreachable(location, error)
        raise ModelError(f"the weights of '{path.name}' cannot be read: {reason}") from error
    if found is None:
        raise ModelError(
            f"'{path.name}' keeps weights outside its own folder ('{shown}'), which is "
            "not allowed; move them beside the model and save it with relative locations"
        )
    if not stat.S_ISREG(found.st_mode):
        raise _missing(path, shown)
    return target, found.st_size


def _missing(path: Path, location: str) -> ModelError:
    return ModelError(
        f"'{path.name}' needs its weights file '{location}' beside it, which is missing; "
        "copy it there"
    )


def declared_inputs(proto: onnx.ModelProto) -> list[DeclaredInput]:
    """(name, dtype, dims) of each real input; a dim is a number or a symbol ("" unnamed).

    dims is None when the model does not even state the rank, and for what is no tensor: the dtype
    is then like `sequence(float32)`. Raises ModelError for other inputs, such as maps.
    """
    constants = {t.name for t in proto.graph.initializer}
    declared: list[DeclaredInput] = []
    for value in proto.graph.input:
        if value.name in constants:  # older models list their weights among the inputs
            continue
        if not value.type.HasField("tensor_type"):
            declared.append((value.name, _compound(value.type), None))
            continue
        kind = value.type.tensor_type
        dims: list[int | str] | None = None
        if kind.HasField("shape"):
            dims = _dimensions(kind.shape)
        declared.append((value.name, onnx_dtype(kind.elem_type), dims))
    return declared


def _compound(kind: onnx.TypeProto) -> str:
    """The type of a sequence or an optional, in words."""
    if kind.HasField("tensor_type"):
        return onnx_dtype(kind.tensor_type.elem_type)
    if kind.HasField("sequence_type"):
        return f"sequence({_compound(kind.sequence_type.elem_type)})"
    if kind.HasField("optional_type"):
        return f"optional({_compound(kind.optional_type.elem_type)})"
    raise ModelError(
        f"an input of the model is a {kind.WhichOneof('value')}, which cannot be fed; "
        "export it with tensors or sequences as inputs"
    )


def _dimensions(shape: onnx.TensorShapeProto) -> list[int | str]:
    """Sizes, or the symbols that stand for them; "" where one has no name of its own.

    Some exporters write 0 where they mean "open": in front, as the batch, or more than once. Any
    other 0 is a tensor without elements, such as an empty cache.
    """
    dims = [_dimension(dim) for dim in shape.dim]
    if dims[:1] == [0] or dims.count(0) > 1:
        return ["" if dim == 0 else dim for dim in dims]
    return dims


def _dimension(dim: onnx.TensorShapeProto.Dimension) -> int | str:
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else ""
    symbol = str(dim.dim_param)  # bytes, where it is no UTF-8
    return "" if _NAMELESS.fullmatch(symbol.strip()) else symbol


def weights_bytes(proto: onnx.ModelProto) -> int:
    """Memory that the weights and other constants take, those in files beside it included."""
    total = 0
    for tensor in tensors(proto.graph):
        bits = ITEM_BITS.get(onnx_dtype(tensor.data_type), 8)
        total += math.prod(tensor.dims) * bits // 8
    return total
