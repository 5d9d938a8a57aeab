"""Reading the archives that `torch.export.save` writes (.pt2), without running anything in them.

torch.export.load is for trusted files only: it unpickles example inputs, opaque constants and
weights of unusual classes, evaluates symbolic sizes as Python expressions, looks operators up as
any attribute of the torch package, and loads compiled libraries. Here the graph is read as the
JSON that it is, weights as raw bytes, and everything else is refused. Torch is not imported.

The format: torch/export/pt2_archive and torch/_export/serde/schema.py of PyTorch 2.13.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwprof.errors import ModelError
from hwprof.models.base import check_exists, unreadable

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
    check_exists(path)
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            if any(info.compress_type != zipfile.ZIP_STORED for info in file.infolist()):
                # torch compresses nothing; a small file must not unpack to fill the memory.
                raise ModelError(
                    f"'{path.name}' is a compressed archive; save it again with torch.export.save"
                )
            root = _root(names, path)
            program = json.loads(file.read(f"{root}models/model.json"))
            weights = _config(file, f"{root}data/weights/model_weights_config.json")
            constants = _config(file, f"{root}data/constants/model_constants_config.json")
    except OSError as error:
        raise unreadable(path, error) from error
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ModelError(
            f"'{path}' is not a program of torch.export, or is cut off; "
            "save it again with torch.export.save"
        ) from error
    try:
        return _archive(path, root, program, weights, constants)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(
            f"'{path.name}' has a graph that hwprof cannot read (at {error}); "
            "save it again with torch.export.save of a current PyTorch"
        ) from error


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
    found = json.loads(file.read(name)) if name in file.namelist() else _EMPTY
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
        return int(size["as_int"])
    # A symbol's name only: it is text to us, and is never evaluated.
    return str(size["as_expr"]["expr_str"])


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
    return Weight(
        record=folder + name,
        dtype=dtype,
        sizes=tuple(int(size["as_int"]) for size in meta["sizes"]),
        strides=tuple(int(stride["as_int"]) for stride in meta["strides"]),
        offset=int(meta["storage_offset"]["as_int"]),
        parameter=bool(config["is_param"]),
    )
