"""What a caller hands to `hwprof.measure`, checked before anything is made of it.

In Python anything can be handed over; each refusal says in one sentence what to give instead.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from hwprof.devices.registry import parse
from hwprof.errors import ModelError, OptionError
from hwprof.lut import Table
from hwprof.profiler.plan import Plan
from hwprof.targets.base import Target

if TYPE_CHECKING:
    import onnx

KINDS = "a file's path, an ONNX model, a torch module, or a program of torch.export"
# A message of a protocol buffer cannot be longer; larger models keep their weights beside it.
MAX_PROTO_BYTES = 2**31 - 1
SHOWN = 40
LARGEST = 2**64
"""Beyond any size."""
# What people hand over instead of a model, by class, and what they have it from.
INSTEAD: Mapping[str, str] = {
    "bytes": "open it with onnx.load_from_string, or save it and give the file's path",
    "bytearray": "open it with onnx.load_from_string, or save it and give the file's path",
    "InferenceSession": "give the file or the ONNX model that the session was made from",
    "GraphProto": "wrap it with onnx.helper.make_model, which adds the operator sets",
    "FunctionProto": "give the whole ONNX model that it belongs to",
    "list": "use hwprof.sweep for several models",
    "tuple": "use hwprof.sweep for several models",
}


def check_model(model: object) -> None:
    """Raise unless `model` is something that can be measured.

    OptionError for what is no model at all; ModelError for an ONNX model in memory without its
    weights, or too large to be written in one piece.
    """
    if isinstance(model, (str, Path)):
        if not os.fspath(model):
            raise OptionError("the model's path is empty; give the path of a model file")
        return
    if isinstance(model, type):
        raise OptionError(
            f"the model must be {KINDS}, got the class {model.__name__} itself; make one of it"
        )
    if of_class(model, "torch.nn.modules.module", "Module") or of_class(
        model, "torch.export.exported_program", "ExportedProgram"
    ):
        return
    import onnx

    if not isinstance(model, onnx.ModelProto):
        called = type(model).__name__
        advice = INSTEAD.get(called, "give one of these")
        raise OptionError(f"the model must be {KINDS}, got {_shown(model)}; {advice}")
    _check_proto(model)


def of_class(value: object, module: str, name: str) -> bool:
    """Whether the class `name` of `module` is among the value's; asked without importing it."""
    return any((kind.__module__, kind.__name__) == (module, name) for kind in type(value).__mro__)


def check_shapes(shapes: object) -> dict[str, tuple[int, ...]] | None:
    """Shapes by input name, their sizes as plain whole numbers (NumPy's are taken as well).

    None stays None. Whether the sizes fit the model is decided with the model. Raises OptionError.
    """
    if shapes is None:
        return None
    if not isinstance(shapes, Mapping):
        raise OptionError(
            f"shapes must be a dictionary like {{'x': (1, 3, 224, 224)}}, got {_shown(shapes)}; "
            "say which input each shape is for"
        )
    checked = {}
    for name, shape in shapes.items():
        if not isinstance(name, str):
            raise OptionError(
                f"shapes are given by input name, got {_shown(name)} as a name; "
                "write {'x': (1, 3, 224, 224)}"
            )
        checked[name] = _sizes(name, shape)
    return checked


def check_batch(batch: object) -> int | None:
    """The batch as a plain whole number; None stays None. Raises OptionError."""
    if batch is None:
        return None
    size = _whole(batch)
    if size is None:
        raise OptionError(f"the batch must be a whole number, got {_shown(batch)}; try 1")
    return size


def check_settings(
    device: object = "", plan: object = None, table: object = None, name: object = None
) -> None:
    """Raise OptionError unless these are what `hwprof.measure` takes for them."""
    if not isinstance(device, (str, Target)):
        raise OptionError(
            f"the device must be a name or a target, got {_shown(device)}; try 'onnxruntime-cpu', "
            "or hwprof.sweep for several"
        )
    if plan is not None and not isinstance(plan, Plan):
        raise OptionError(f"the plan must be a hwprof.Plan, got {_shown(plan)}; make one of it")
    if table is not None and not isinstance(table, Table):
        raise OptionError(
            f"the table must be an open one, got {_shown(table)}; open it with hwprof.Table.open"
        )
    if name is not None:
        check_name(name)


def check_name(name: object) -> str:
    """What a model is to be called. Raises OptionError for what a table cannot hold."""
    if not isinstance(name, str):
        raise OptionError(f"the name must be a text, got {_shown(name)}; leave it out or quote it")
    if not name.strip() or not _is_unicode(name):
        raise OptionError(f"the name {_shown(name)} is empty or no Unicode; leave it out")
    return name


def check_tags(tags: object) -> tuple[str, ...]:
    """Tags, each once in the order given. Raises OptionError.

    A tag prints, does not begin or end with a blank, and holds no comma: lists of them are joined
    by one.
    """
    if isinstance(tags, str) or not isinstance(tags, Sequence):
        raise OptionError(f"tags must be a list of texts, got {_shown(tags)}; write ['nightly']")
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip() or tag.strip() != tag:
            raise OptionError(
                f"a tag must be a text without blanks around it, got {_shown(tag)}; "
                "try one like nightly"
            )
        if not tag.isprintable() or "," in tag:
            raise OptionError(
                f"the tag {_shown(tag)} holds a comma, or what does not print; leave that out"
            )
    return tuple(dict.fromkeys(tags))


def library_option(device: str, custom_ops: str | Path | None) -> dict[str, str]:
    """The option of a device that names a library of operators, if one is given.

    Raises OptionError for one that the device's own text names as well.
    """
    if custom_ops is None:
        return {}
    if not isinstance(custom_ops, str | Path):
        raise OptionError("custom_ops must be the path of a library of operators")
    if "custom_ops" in parse(device)[1]:
        raise OptionError(f"custom_ops is given beside '{device}', which sets it; keep one")
    return {"custom_ops": str(Path(custom_ops).expanduser().absolute())}


def _sizes(name: str, shape: object) -> tuple[int, ...]:
    example = f"write {{'{name}': (1, 3, 224, 224)}}"
    refused = OptionError(
        f"the shape of input '{name}' must be a sequence of whole numbers, "
        f"got {_shown(shape)}; {example}"
    )
    # NumPy's arrays and torch's sizes are sequences to everybody but the type system.
    if not isinstance(shape, Iterable) or isinstance(shape, (str, bytes, Mapping, Set)):
        raise refused
    try:
        parts: list[object] = list(shape)
    except TypeError as error:  # an array of one number alone says that it can be walked through
        raise refused from error
    sizes = []
    for part in parts:
        size = _whole(part)
        if size is None:
            raise OptionError(
                f"the shape of input '{name}' holds {_shown(part)}, which is no whole number; "
                f"{example}"
            )
        sizes.append(size)
    return tuple(sizes)


def _whole(value: object) -> int | None:
    """A whole number as Python's own; None for everything else, True and 8.0 included."""
    # NumPy's truth values are no bool, and index as none either.
    if isinstance(value, bool):
        return None
    try:
        found = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
    # What is too long to print is too large as well.
    return max(-LARGEST, min(found, LARGEST))


def _check_proto(proto: onnx.ModelProto) -> None:
    """Raise ModelError for a model that cannot be written to a file as it is."""
    from onnx.external_data_helper import uses_external_data

    from hwprof.models.onnx.file import tensors, weights_bytes

    beside = next((t for t in tensors(proto.graph) if uses_external_data(t)), None)
    if beside is not None:
        said = {entry.key: entry.value for entry in beside.external_data}
        raise ModelError(
            f"the weights of this ONNX model, '{beside.name}' among them, lie in "
            f"'{said.get('location', '')}' and were not loaded; give the path of the model file "
            "instead"
        )
    if weights_bytes(proto) > MAX_PROTO_BYTES:
        raise ModelError(
            "this ONNX model is larger than the 2 GiB that one message holds; save it with "
            "onnx.save(model, path, save_as_external_data=True) and give the path"
        )


def _is_unicode(text: str) -> bool:
    """Whether it can be stored: an argument that is no UTF-8 comes with halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    """A value or its class, short enough for a sentence."""
    if isinstance(value, str):
        return repr(value[:SHOWN])
    if value is None or isinstance(value, (bool, int, float)):
        return (
            "a long number"
            if isinstance(value, int) and abs(value) > LARGEST
            else str(value)[:SHOWN]
        )
    return f"a value of type {type(value).__name__}"
