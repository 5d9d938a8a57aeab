"""Deciding the dimensions that a model leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hwprof.errors import OptionError
from hwprof.graph import TensorSpec

DeclaredInput = tuple[str, str, list[int | str] | None]
"""(name, dtype, dims); a dim is a number or a symbol ("" unnamed), dims None without a rank.

A dimension of 0 is empty, but where a shape or the batch is given for it.
"""

LEFT_OPEN = -1
"""In a given shape: this dimension is left to the file or the batch. `--shape` writes it `*`."""
LARGEST = 2**63 - 1
MOST_DIGITS = 19
"""Of a size: those of the largest number of 64 bits."""
SHOWN = 80


@dataclass(frozen=True, slots=True)
class BatchAxis:
    """Where the batch of an input lies, because of the operation that it feeds."""

    axis: int
    operation: str
    """Such as `GRU 'gru'`: all its inputs have batches of one size."""


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Split `NAME=1,3,224,224`. An empty right side is a scalar, `*` is `LEFT_OPEN`.

    Raises OptionError.
    """
    name, equals, rest = text.rpartition("=")
    parts = [part.strip() for part in rest.split(",")] if rest.strip() else []
    fit = all(part == "*" or is_whole(part.removeprefix("-")) for part in parts)
    if not equals or not name or not fit:
        raise OptionError(
            f"--shape must look like NAME=1,3,224,224, got '{shortened(text)}'; give the "
            "input's name and whole numbers, or * for a dimension that the file or --batch decides"
        )
    return name, tuple(LEFT_OPEN if part == "*" else int(part) for part in parts)


def is_whole(text: str) -> bool:
    """Whether a text is a whole number from 0 up that some array's size could be."""
    return text.isdecimal() and len(text) <= MOST_DIGITS


def shortened(text: str) -> str:
    """A text as sentences show it."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def decide_shapes(
    declared: Sequence[DeclaredInput],
    shapes: Mapping[str, Sequence[int]],
    batch: int | None,
    model: str,
    batch_axes: Mapping[str, BatchAxis] | None = None,
) -> tuple[TensorSpec, ...]:
    """Fill every open dimension of `declared` from `shapes` and `batch`.

    A symbol that one input's shape decides is decided for all inputs; a size may be 0. The batch
    is the first dimension, but where `batch_axes` says otherwise, or the file calls another one
    the batch. Raises OptionError that names the dimension and the option to give.
    """
    names = [name for name, _, _ in declared]
    for name in shapes:
        if name not in names:
            raise OptionError(
                f"'{model}' has no input '{name}'; its inputs are {', '.join(names) or 'none'}"
            )
    for size in (size for shape in shapes.values() for size in shape):
        if abs(size) > LARGEST:  # such a number may not even be printable
            raise OptionError(
                f"a size given for '{model}' is larger than any dimension can be; give smaller ones"
            )
    if batch is not None and batch > LARGEST:
        raise OptionError("the batch is larger than any dimension can be; give a smaller one")
    if batch is not None and batch < 1:
        raise OptionError(f"the batch must be at least 1, got {max(batch, -LARGEST)}")
    fill = _Fill(model, shapes, batch, batch_axes or {})
    ranked = [(name, dtype, fill.ranked(name, dims)) for name, dtype, dims in declared]
    for name, _, dims in ranked:
        fill.take(name, dims)
    for name, _, dims in ranked:
        fill.take_batch(name, dims)
    decided = tuple(TensorSpec(name, dtype, fill.shape(name, dims)) for name, dtype, dims in ranked)
    axes = {name: fill.axis(name, dims) for name, _, dims in ranked}
    _check_agreement(decided, batch_axes or {}, model)
    if batch is not None and all(_at(each, axes[each.name]) != batch for each in decided):
        first = decided[0].describe() if decided else "nothing"
        raise OptionError(
            f"no input of '{model}' can take --batch {batch} (the first is {first}); "
            "leave out --batch, or export the model with a dynamic batch"
        )
    return decided


def shared_batch(
    declared: Sequence[DeclaredInput],
    decided: Sequence[TensorSpec],
    batch_axes: Mapping[str, BatchAxis],
) -> int | None:
    """The batch of the decided inputs, where they have one size of it."""
    sizes = {
        size
        for (name, _, dims), spec in zip(declared, decided, strict=True)
        if (size := _at(spec, _batch_axis(name, dims or [], batch_axes))) is not None
    }
    return sizes.pop() if len(sizes) == 1 else None


@dataclass(slots=True)
class _Fill:
    """Dimensions of one model, as far as they are decided."""

    model: str
    shapes: Mapping[str, Sequence[int]]
    batch: int | None
    batch_axes: Mapping[str, BatchAxis]
    symbols: dict[str, int] = field(default_factory=dict)

    def axis(self, name: str, dims: Sequence[int | str]) -> int:
        return _batch_axis(name, dims, self.batch_axes)

    def ranked(self, name: str, dims: list[int | str] | None) -> list[int | str]:
        """The dimensions, of which a given shape may be all that is known."""
        if dims is not None:
            return dims
        given = self.shapes.get(name)
        if given is None:
            raise OptionError(
                f"'{self.model}' does not say the shape of input '{name}'; "
                f"give it with --shape {name}=1,..."
            )
        return [""] * len(given)

    def take(self, name: str, dims: Sequence[int | str]) -> None:
        """Learn from the shape that is given for an input."""
        given = self.shapes.get(name)
        if given is None:
            return
        if len(given) != len(dims):
            raise OptionError(
                f"input '{name}' of '{self.model}' has {len(dims)} dimensions "
                f"({_describe(dims)}), but --shape gives {len(given)}; give all of them"
            )
        for size, dim in zip(given, dims, strict=True):
            if size == LEFT_OPEN:
                continue
            if size < 0:
                raise OptionError(
                    f"dimension {size} of input '{name}' is not possible; give numbers from 0 up, "
                    "or * to leave it to the file or --batch"
                )
            if isinstance(dim, int) and dim and size != dim:
                raise OptionError(
                    f"input '{name}' of '{self.model}' is fixed at {_describe(dims)}, so "
                    f"{_describe(given)} does not fit; leave out --shape or export the "
                    "model with dynamic dimensions"
                )
            if isinstance(dim, str) and dim and self.symbols.setdefault(dim, size) != size:
                raise OptionError(
                    f"dimension '{dim}' of '{self.model}' is given both {self.symbols[dim]} and "
                    f"{size}, and the file says with that name that they are equal; use one value, "
                    "or export the model with a name of its own for each dimension"
                )

    def take_batch(self, name: str, dims: Sequence[int | str]) -> None:
        """Learn what the batch says of an input's symbol."""
        if self.batch is None or not dims:
            return
        axis = self.axis(name, dims)
        dim = dims[axis] if axis < len(dims) else ""
        if isinstance(dim, str):
            if dim:
                self.symbols.setdefault(dim, self.batch)
        elif name in self.batch_axes and dim not in (0, self.batch):
            raise OptionError(
                f"--batch {self.batch} does not fit '{self.model}': the batch of input '{name}' is "
                f"dimension {axis + 1} for {self.batch_axes[name].operation}, and it is fixed at "
                f"{dim} ({_describe(dims)}); leave out --batch, or export the model with an open "
                "batch"
            )

    def shape(self, name: str, dims: Sequence[int | str]) -> tuple[int, ...]:
        """Every dimension of an input, or an OptionError that names the open one."""
        given = self.shapes.get(name)
        batch_axis = self.axis(name, dims)
        shape: list[int] = []
        for position, dim in enumerate(dims):
            if given is not None and given[position] != LEFT_OPEN:
                shape.append(given[position])
            elif dim == 0 and position == batch_axis and self.batch is not None:
                shape.append(self.batch)
            elif isinstance(dim, int):
                shape.append(dim)
            elif dim in self.symbols:
                shape.append(self.symbols[dim])
            elif position == batch_axis and self.batch is not None:
                shape.append(self.batch)
            else:
                label = f"'{dim}'" if dim else f"number {position + 1}"
                example = ",".join(
                    self._example(dim, place == batch_axis) for place, dim in enumerate(dims)
                )
                raise OptionError(
                    f"dimension {label} of input '{name}' ({_describe(dims)}) of '{self.model}' "
                    f"is open; give it with --shape {name}={example} or the sizes you use"
                )
        return tuple(shape)

    def _example(self, dim: int | str, is_batch: bool) -> str:
        if isinstance(dim, int):
            return str(dim)
        known = dim in self.symbols or (is_batch and self.batch is not None)
        return "*" if known else "1"


def _batch_axis(name: str, dims: Sequence[int | str], batch_axes: Mapping[str, BatchAxis]) -> int:
    """The axis that an operation takes for the batch, or the file's own words do; else the first.

    Time or layers come first in the inputs of many recurrent models.
    """
    if name in batch_axes:
        return batch_axes[name].axis
    called = [axis for axis, dim in enumerate(dims) if isinstance(dim, str) and _is_batch(dim)]
    return called[0] if called else 0


def _is_batch(symbol: str) -> bool:
    return symbol.lower().replace("_", "") in ("batch", "batchsize", "nbatch", "batchdim")


def _at(spec: TensorSpec, axis: int) -> int | None:
    return spec.shape[axis] if axis < len(spec.shape) else None


def _check_agreement(
    decided: Sequence[TensorSpec], batch_axes: Mapping[str, BatchAxis], model: str
) -> None:
    """Refuse inputs of one operation whose batches differ: no runtime would take them."""
    firsts: dict[str, tuple[str, int]] = {}
    for spec in decided:
        found = batch_axes.get(spec.name)
        size = _at(spec, found.axis) if found is not None else None
        if found is None or size is None:
            continue
        name, other = firsts.setdefault(found.operation, (spec.name, size))
        if other != size:
            raise OptionError(
                f"inputs '{name}' and '{spec.name}' of '{model}' have batches of {other} and "
                f"{size}, and {found.operation} needs one size; give the same to both, or export "
                "the model with an open batch in both"
            )


def _describe(dims: Sequence[int | str]) -> str:
    return ",".join("*" if d == LEFT_OPEN else str(d) if d != "" else "?" for d in dims)
