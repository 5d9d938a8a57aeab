"""Values that a caller gives for inputs: checked against what the model declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hwprof.errors import OptionError, one_line
from hwprof.graph import TensorSpec
from hwprof.measurement import Values
from hwprof.models.inputs.files import joined, read_folder, read_npy, read_npz, read_pb
from hwprof.models.inputs.recipe import Recipe
from hwprof.models.inputs.stored import Value, value_hash
from hwprof.models.shapes import DeclaredInput

Asked = Mapping[str, Any] | Sequence[Any] | Path | str | None
"""Values by the inputs' names or in their order, or the file or folder that holds them.

A value is an array or tensor, a number, numbers in lists, a text like `0..50256`, `1200,1800` or
`ids.npy`; a list of arrays for a sequence, and None for an optional that is left empty.
"""

ALL = ""
"""In a mapping, the name under which a file or folder with values of several inputs stands."""

SHOWN = 40
_FILES = (".npy", ".pb")
_SIZELESS = ("sequence(", "optional(")


@dataclass(frozen=True, slots=True)
class Given:
    """What was given: arrays and rules by input, and how the record tells of each."""

    arrays: Mapping[str, Value] = field(default_factory=dict)
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    fills: frozenset[str] = frozenset()
    """Inputs of text of which every element is the one that was given."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the arrays: they decide the shapes of their inputs."""
        return {
            name: value.shape
            for name, value in self.arrays.items()
            if isinstance(value, np.ndarray) and name not in self.fills
        }

    def filled(self, specs: Sequence[TensorSpec]) -> Given:
        """The same where every text that fills an input has its shape."""
        shapes = {spec.name: spec.shape for spec in specs if spec.name in self.fills}
        own = {name: np.full(shapes[name], self.arrays[name]) for name in shapes}
        return replace(self, arrays={**self.arrays, **own})

    def names(self) -> set[str]:
        """The inputs that values were given for."""
        return {*self.arrays, *self.recipes}

    def values(self, spec: TensorSpec) -> Values:
        """The record of one input that a value was given for."""
        if spec.name in self.recipes:
            recipe = self.recipes[spec.name]
            # Made once here, so that what does not fit is said before anything is measured.
            recipe.array(spec)
            return Values(spec.name, recipe.text, "given")
        sha256 = value_hash(self.arrays[spec.name])
        return Values(spec.name, self.texts[spec.name], "given", sha256)


def is_tensor(dtype: str) -> bool:
    """Whether a declared type is a tensor's, and no sequence or optional."""
    return not dtype.startswith(_SIZELESS)


def resolve(asked: Asked, declared: Sequence[DeclaredInput], model: str) -> Given:
    """What was given, for the inputs of `model`.

    Raises OptionError for an input that it does not have, and for what does not fit one.
    """
    kinds = {name: dtype for name, dtype, _ in declared}
    listed = _by_name(asked, list(kinds), model)
    arrays: dict[str, Value] = {}
    recipes: dict[str, Recipe] = {}
    texts: dict[str, str] = {}
    for name, (value, text) in listed.items():
        if name not in kinds:
            raise OptionError(
                f"'{model}' has no input '{name}'; its inputs are {', '.join(kinds) or 'none'}"
            )
        found = _read(value, kinds[name], name)
        if isinstance(found, Recipe):
            recipes[name] = found
        else:
            arrays[name] = _fitted(found, kinds[name], name)
            texts[name] = text or _text(value)
    fills = frozenset(
        name
        for name, (value, _) in listed.items()
        if name in arrays
        and isinstance(value, str)
        and kinds[name] == "string"
        and not value.endswith(_FILES)
    )
    return Given(arrays, recipes, texts, fills)


def _by_name(asked: Asked, names: Sequence[str], model: str) -> dict[str, tuple[Any, str]]:
    """Every value with the file that it came from, if it came with others."""
    if asked is None:
        return {}
    if isinstance(asked, (str, Path)):
        asked = {ALL: asked}
    if not isinstance(asked, Mapping):
        several = list(asked) if isinstance(asked, (list, tuple)) else [asked]
        if len(several) > len(names):
            raise OptionError(
                f"{len(several)} inputs are given, and '{model}' has {len(names)}: "
                f"{', '.join(names) or 'none'}; leave out the others"
            )
        return {name: (value, "") for name, value in zip(names, several, strict=False)}
    found: dict[str, tuple[Any, str]] = {}
    for name, value in asked.items():
        if name == ALL and ALL not in names:
            for each, array in _whole(Path(value), names).items():
                found[each] = (array, Path(value).name)
    # What is given for one input alone goes before what a file says of it.
    return found | {name: (v, "") for name, v in asked.items() if name != ALL or ALL in names}


def _whole(path: Path, names: Sequence[str]) -> dict[str, Value]:
    try:
        folder = path.is_dir()
    except OSError:  # the reader of a file says what is wrong
        folder = False
    return read_folder(path, names) if folder else joined(read_npz(path), names)


def _read(value: Any, dtype: str, name: str) -> Value | Recipe:
    if isinstance(value, Path) or (isinstance(value, str) and value.endswith(_FILES)):
        path = Path(value)
        return read_pb(path) if path.suffix == ".pb" else read_npy(path)
    if isinstance(value, str) and dtype != "string":
        return Recipe.parse(value)
    if isinstance(value, (bool, int, float)) and dtype != "string" and is_tensor(dtype):
        return Recipe.parse(str(value))
    if value is None and dtype.startswith("optional("):
        return None
    if isinstance(value, (list, tuple)) and dtype.startswith(_SIZELESS):
        return [_array(item, name) for item in value]
    return _array(value, name)


def _array(value: Any, name: str) -> np.ndarray:
    advice = "give numbers, texts, an array of them, or a .npy file"
    try:
        if type(value).__module__.partition(".")[0] == "torch":
            value = value.detach().cpu().numpy()
        array = np.asarray(value)
    except (TypeError, ValueError) as error:  # bfloat16; lists of unequal lengths
        raise OptionError(
            f"the value of input '{name}' is no array ({one_line(error)}); {advice}"
        ) from error
    if array.dtype == object:
        if not all(isinstance(item, str) for item in array.ravel()):
            raise OptionError(
                f"the value of input '{name}' is of the type {type(value).__name__}, which is no "
                f"array; {advice}"
            )
        array = array.astype(str)
    return array


def _fitted(value: Value, dtype: str, name: str) -> Value:
    """The value in the type that the input declares. Raises OptionError where that changes it."""
    if is_tensor(dtype) != isinstance(value, np.ndarray) and not dtype.startswith("optional("):
        raise OptionError(
            f"input '{name}' is of the type {dtype}, and "
            f"{'a tensor' if isinstance(value, np.ndarray) else 'a list'} is given; give "
            f"{'one array' if is_tensor(dtype) else 'a list of arrays'}"
        )
    inner = dtype
    while not is_tensor(inner):
        inner = inner.partition("(")[2].removesuffix(")")
    if isinstance(value, list):
        return [_cast(item, inner, name) for item in value]
    return None if value is None else _cast(value, inner, name)


def _cast(array: np.ndarray, dtype: str, name: str) -> np.ndarray:
    have = array.dtype
    problem = OptionError(
        f"input '{name}' holds {dtype}, and values of type {_kind(have)} are given; "
        f"give them as {dtype}"
    )
    if dtype == "string" or have.kind in "US":
        if dtype != "string" or have.kind not in "US":
            raise problem
        try:
            return array.astype(str)
        except UnicodeError:  # bytes that are no ASCII
            raise problem from None
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise problem from None
    if have == wanted:
        return np.ascontiguousarray(array).reshape(array.shape)
    if have.kind not in "biuf" or (have.kind == "f" and wanted.kind not in "fc"):
        raise problem
    with np.errstate(all="ignore"):
        cast = array.astype(wanted)
    if have.kind != "f" and not np.array_equal(cast.astype(have), array):
        raise problem
    return cast


def _kind(dtype: np.dtype) -> str:
    return "text" if dtype.kind in "US" else dtype.name


def _text(value: Any) -> str:
    if isinstance(value, Path) or (isinstance(value, str) and value.endswith(_FILES)):
        return Path(value).name
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN else value[:SHOWN] + "...")
    return "nothing" if value is None else "an array"
