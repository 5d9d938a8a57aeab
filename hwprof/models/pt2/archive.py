"""Reading the archives that `torch.export.save` writes (.pt2), without running anything in them.

torch.export.load is for trusted files only: it unpickles example inputs, opaque constants and
weights of unusual classes, evaluates symbolic sizes as Python expressions, looks operators up as
any attribute of the torch package, and loads compiled libraries. Here the graph is read as the
JSON that it is, weights as raw bytes, and everything else is refused. Torch is not imported.

The format: torch/export/pt2_archive and torch/_export/serde/schema.py of PyTorch 2.13.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwprof.errors import ModelError, one_line
from hwprof.graph import ITEM_BITS
from hwprof.models.base import unreadable
from hwprof.models.plain_file import plain_size

SCALAR_TYPES: Mapping[int, str] = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
}
"""Types by the number that the format gives them, under NumPy's names."""

SCHEMA = 8
"""Major version of the graph's schema that is read here."""

_EMPTY: Mapping[str, Any] = {"config": {}}

_ENCRYPTED = 1
SHOWN = 80
MOST_JSON_BYTES = 256 << 20
"""Of a graph; the largest that torch wrote for known models have some tens of megabytes."""
LARGEST = 2**63 - 1
MOST_DIMENSIONS = 64
_BROKEN = (
    *(zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError, struct.error),
    *(MemoryError, RecursionError, RuntimeError),
)
# What a graph of another form makes its reader stumble over.
UNFIT = (
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    ValueError,
    ArithmeticError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class Weight:
    """A stored tensor: which record of the archive holds it, and how it lies there."""

    record: str
    dtype: str
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    """Elements from the start of the record."""
    parameter: bool

    @property
    def nbytes(self) -> int:
        """Of its elements, each counted although several may lie in one place."""
        return math.prod(self.sizes) * ITEM_BITS[self.dtype] // 8


@dataclass(frozen=True, slots=True)
class Input:
    """A tensor that the program is given; an open dimension is its symbol's name."""

    name: str
    dtype: str
    dims: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """An exported program as its file tells it.

    `graph` is the graph's JSON; `weights` are by the names that the graph knows them under.
    """

    path: Path
    graph: Mapping[str, Any]
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    weights: Mapping[str, Weight]

    @contextmanager
    def opened(self) -> Iterator[zipfile.ZipFile]:
        """The file, to read the records of weights from."""
        with zipfile.ZipFile(self.path) as file:
            yield file


def read_archive(path: Path) -> Archive:
    """Read the program that a .pt2 file holds. Raises ModelError, naming what is not supported."""
    size = plain_size(path)
    try:
        with zipfile.ZipFile(path) as file:
            _check_members(file, path, size)
            root = _root(file.namelist(), path)
            program = _json(file, f"{root}models/model.json")
            weights = _config(file, f"{root}data/weights/model_weights_config.json")
            constants = _config(file, f"{root}data/constants/model_constants_config.json")
    except OSError as error:
        raise unreadable(path, error) from error
    except _BROKEN as error:
        raise ModelError(
            f"'{path}' is not a program of torch.export, or is cut off; "
            "save it again with torch.export.save"
        ) from error
    try:
        return _archive(path, root, program, weights, constants)
    except UNFIT as error:
        raise unread_graph(path.name, error) from error


def unread_graph(name: str, error: Exception) -> ModelError:
    """The sentence for a graph that is not what torch.export writes."""
    return ModelError(
        f"'{name}' has a graph that hwprof cannot read (at {one_line(error, SHOWN)}); "
        "save it again with torch.export.save of a current PyTorch"
    )


def _check_members(file: zipfile.ZipFile, path: Path, size: int) -> None:
    """Raise ModelError for an archive that torch does not write: packed, encrypted or untrue."""
    members = file.infolist()
    if any(info.flag_bits & _ENCRYPTED for info in members):
        raise ModelError(f"'{path.name}' is encrypted; save it again with torch.export.save")
    if any(info.compress_type != zipfile.ZIP_STORED for info in members):
        # torch compresses nothing; a small file must not unpack to fill the memory.
        raise ModelError(
            f"'{path.name}' is a compressed archive; save it again with torch.export.save"
        )
    # Members that lie over one another could be read as more than the file is.
    if sum(info.file_size for info in members) > size:
        raise zipfile.BadZipFile("its members are larger than the file")


def _json(file: zipfile.ZipFile, name: str) -> Any:
    """A member as JSON. Raises ValueError for one too large, or with halves of characters."""
    if file.getinfo(name).file_size > MOST_JSON_BYTES:
        raise ValueError("its graph is too large")
    content = file.read(name)
    found = json.loads(content)
    if b"\\ud" in content.lower():
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _root(names: list[str], path: Path) -> str:
    """The folder inside the archive that everything lies in."""
    found = [name for name in names if name.endswith("models/model.json")]
    if len(found) != 1:
        what = "no program" if not found else "several programs"
        raise ModelError(
            f"'{path.name}' holds {what} named 'model'; save one with torch.export.save"
        )
    return found[0].removesuffix("models/model.json")


def _config(file: zipfile.ZipFile, name: str) -> Mapping[str, Any]:
    found = _json(file, name) if name in file.namelist() else _EMPTY
    config: Mapping[str, Any] = found["config"]
    return config


def _archive(
    path: Path,
    root: str,
    program: Mapping[str, Any],
    weights: Mapping[str, Any],
    constants: Mapping[str, Any],
) -> Archive:
    major = program["schema_version"]["major"]
    if major != SCHEMA:
        raise ModelError(
            f"'{path.name}' is written in version {major} of its format, and hwprof reads "
            f"version {SCHEMA}; save it again with a current PyTorch"
        )
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    sizes = graph["tensor_values"]
    for meta in sizes.values():
        int(meta["dtype"])
    _check_nodes(graph)
    inputs: list[Input] = []
    known: dict[str, Weight] = {}
    for spec in signature["input_specs"]:
        ((kind, content),) = spec.items()
        if kind == "user_input":
            inputs.append(_input(content["arg"], sizes, path))
        elif kind in ("parameter", "buffer", "tensor_constant"):
            key = content["parameter_name" if kind == "parameter" else f"{kind}_name"]
            constant = key not in weights
            config = (constants if constant else weights)[key]
            folder = f"{root}data/{'constants' if constant else 'weights'}/"
            known[content["arg"]["name"]] = _weight(key, config, folder, path)
        else:
            raise ModelError(
                f"'{path.name}' has an input of the kind '{kind}', which hwprof does not take; "
                "export a module with tensors as inputs"
            )
    outputs = []
    for spec in signature["output_specs"]:
        ((kind, content),) = spec.items()
        if kind != "user_output" or "as_tensor" not in content["arg"]:
            raise ModelError(
                f"'{path.name}' changes its buffers or returns what is no tensor; "
                "export it for inference, with tensors as outputs"
            )
        outputs.append(str(content["arg"]["as_tensor"]["name"]))
    return Archive(path, graph, tuple(inputs), tuple(outputs), known)


def _check_nodes(graph: Mapping[str, Any]) -> None:
    """Raise one of `UNFIT` unless the nodes have the form that all readers take for granted."""
    for node in graph["nodes"]:
        str.partition(node["target"], ".")
        for each in node["inputs"]:
            ((kind, value),) = each["arg"].items()
            if kind == "as_graph":
                _check_nodes(value["graph"])
        for output in node["outputs"]:
            (_,) = output.items()


def _input(arg: Mapping[str, Any], sizes: Mapping[str, Any], path: Path) -> Input:
    if "as_tensor" not in arg:
        raise ModelError(
            f"'{path.name}' has an input that is no tensor; export it with tensors as inputs"
        )
    name = str(arg["as_tensor"]["name"])
    meta = sizes[name]
    dtype = SCALAR_TYPES.get(meta["dtype"])
    if dtype is None:
        raise ModelError(
            f"input '{name}' of '{path.name}' has a type that hwprof cannot fill; "
            "export it with float, integer or boolean inputs"
        )
    return Input(name, dtype, tuple(_dim(size) for size in meta["sizes"]))


def _dim(size: Mapping[str, Any]) -> int | str:
    if "as_int" in size:
        return _counted(size)
    # A symbol's name only: it is text to us, and is never evaluated.
    return str(size["as_expr"]["expr_str"])


def _counted(size: Mapping[str, Any]) -> int:
    """A size. Raises ValueError for one that no tensor has, OverflowError for an infinite one."""
    found = int(size["as_int"])
    if not -LARGEST <= found <= LARGEST:
        raise ValueError("a size")
    return found


def _weight(key: str, config: Mapping[str, Any], folder: str, path: Path) -> Weight:
    meta = config["tensor_meta"]
    name = str(config["path_name"])
    if config["use_pickle"] or meta is None or "/" in name:
        raise ModelError(
            f"'{path.name}' keeps '{key}' as pickled Python objects, which hwprof never loads; "
            "export the model with plain tensors"
        )
    dtype = SCALAR_TYPES.get(meta["dtype"])
    if dtype is None:
        raise ModelError(
            f"the weight '{key}' of '{path.name}' has a type that hwprof does not know; "
            "export it in a usual type"
        )
    sizes = tuple(_counted(size) for size in meta["sizes"])
    if len(sizes) > MOST_DIMENSIONS or any(size < 0 for size in sizes):
        raise ValueError("a shape")
    return Weight(
        record=folder + name,
        dtype=dtype,
        sizes=sizes,
        strides=tuple(_counted(stride) for stride in meta["strides"]),
        offset=_counted(meta["storage_offset"]),
        parameter=bool(config["is_param"]),
    )
