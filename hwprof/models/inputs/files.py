"""Files that hold values for inputs: .npy, .npz, and the test data beside models of onnx's kind."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwprof.errors import OptionError, one_line
from hwprof.models.inputs.stored import BROKEN, Value, check_members, read_array, refuse_larger
from hwprof.models.plain_file import plain_size, refuse_beyond_memory

_NUMBERED = re.compile(r"input_(\d{1,9})\.pb", re.ASCII)
_ITEM = re.compile(r"(.+)\.(\d{1,9})", re.ASCII)
_ADVICE = "write it with numpy.save, without Python objects in it"


def read_npy(path: Path) -> np.ndarray:
    """The array in a .npy file. Raises OptionError."""
    size = _values_size(path)
    refuse_beyond_memory(path, size, OptionError)
    try:
        with path.open("rb") as stream:
            refuse_larger(stream, size)
        array = np.load(path, allow_pickle=False, mmap_mode="r")
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays")
        return np.array(array)
    except BROKEN as error:
        raise OptionError(f"'{path}' is no .npy file ({one_line(error)}); {_ADVICE}") from error


def read_npz(path: Path) -> dict[str, Value]:
    """The arrays in a .npz file by name; `q.0`, `q.1`, ... are the tensors of a sequence `q`.

    Raises OptionError.
    """
    arrays: dict[str, np.ndarray] = {}
    size = _values_size(path)
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive, size)
            refuse_beyond_memory(path, sum(i.file_size for i in archive.infolist()), OptionError)
            for info in archive.infolist():
                arrays[info.filename.removesuffix(".npy")] = read_array(archive, info)
    except BROKEN as error:
        raise OptionError(
            f"'{path}' is no .npz file ({one_line(error)}); write it with numpy.savez"
        ) from error
    return dict(arrays)


def _values_size(path: Path) -> int:
    try:
        return plain_size(path, OptionError, "values")
    except OptionError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise OptionError(f"there is no file '{path}' with values; check the path") from error
        raise


def joined(values: dict[str, Value], sequences: Sequence[str]) -> dict[str, Value]:
    """`q.0`, `q.1`, ... as the sequence `q`, for the inputs that are `sequences`."""
    found: dict[str, Value] = {}
    parts: dict[str, dict[int, np.ndarray]] = {}
    for name, value in values.items():
        item = _ITEM.fullmatch(name)
        if item and item[1] in sequences and isinstance(value, np.ndarray):
            parts.setdefault(item[1], {})[int(item[2])] = value
        else:
            found[name] = value
    for name, items in parts.items():
        found[name] = [items[number] for number in sorted(items)]
    return found


def read_folder(path: Path, names: Sequence[str]) -> dict[str, Value]:
    """The values in a folder like `test_data_set_0`: `input_0.pb`, ... in the order of `names`.

    Raises OptionError.
    """
    numbered = {}
    try:
        files = sorted(path.iterdir())
    except OSError as error:
        raise OptionError(
            f"the folder '{path}' cannot be read: {error.strerror}; check its permissions"
        ) from error
    for file in files:
        match = _NUMBERED.fullmatch(file.name)
        if match:
            numbered[int(match[1])] = file
    if not numbered:
        raise OptionError(
            f"the folder '{path}' has no input_0.pb; name a folder of onnx test data, or a .npz "
            "file"
        )
    if max(numbered) >= len(names):
        raise OptionError(
            f"'{numbered[max(numbered)]}' is for an input that the model does not have; it has "
            f"{len(names)}"
        )
    return {names[number]: read_pb(file) for number, file in numbered.items()}


def read_pb(path: Path) -> Value:
    """The value in a file of onnx test data. Raises OptionError."""
    import onnx
    from google.protobuf.message import DecodeError

    refuse_beyond_memory(path, _values_size(path), OptionError)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OptionError(f"'{path}' cannot be read: {error.strerror}; check the path") from error
    # Nothing in the file says which of the three it is: only the right one reads back the same.
    for kind in (onnx.TensorProto, onnx.SequenceProto, onnx.OptionalProto):
        proto: Any = kind()
        try:
            proto.ParseFromString(content)
            if not proto.SerializeToString(deterministic=True) or not _plausible(proto):
                continue
            return _value(proto)
        except (DecodeError, *BROKEN):
            continue
    raise OptionError(f"'{path}' is no tensor, sequence or optional of onnx test data")


def _plausible(proto: Any) -> bool:
    import onnx

    whole = proto.ByteSize()
    proto.DiscardUnknownFields()
    if proto.ByteSize() < whole:  # it is of another kind
        return False
    if isinstance(proto, onnx.TensorProto):
        known = proto.data_type in onnx.TensorProto.DataType.values() and proto.data_type != 0
        return known and all(size >= 0 for size in proto.dims)
    return proto.elem_type != 0 or not proto.ByteSize()


def _value(proto: Any) -> Value:
    import onnx
    from onnx import numpy_helper

    _refuse_external(proto)
    if isinstance(proto, onnx.TensorProto):
        array: np.ndarray = numpy_helper.to_array(proto)
        return array
    if isinstance(proto, onnx.SequenceProto):
        return [np.asarray(each) for each in numpy_helper.to_list(proto)]
    found = numpy_helper.to_optional(proto)
    if found is None or isinstance(found, list):
        return found
    return np.asarray(found)


def _refuse_external(proto: Any) -> None:
    """Raise ValueError where elements lie in another file: that could be any on this machine."""
    import onnx

    if isinstance(proto, onnx.TensorProto):
        if proto.data_location == onnx.TensorProto.EXTERNAL:
            raise ValueError("its elements lie in another file")
    elif isinstance(proto, onnx.SequenceProto):
        inner = (*proto.tensor_values, *proto.sequence_values, *proto.optional_values)
        for each in (*inner, *(mapped.values for mapped in proto.map_values)):
            _refuse_external(each)
    else:
        for field in ("tensor_value", "sequence_value", "optional_value"):
            if proto.HasField(field):
                _refuse_external(getattr(proto, field))
