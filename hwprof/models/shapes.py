"""Deciding the dimensions that a model leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hwprof.errors import OptionError
from hwprof.graph import TensorSpec

DeclaredInput = tuple[str, str, list[int | str] | None]
"""(name, dtype, dims); a dim is a number or a symbol ("" unnamed), dims None without a rank."""


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Split `NAME=1,3,224,224`. An empty right side is a scalar. Raises OptionError."""
    name, equals, rest = text.rpartition("=")
    parts = [part.strip() for part in rest.split(",")] if rest.strip() else []
    if not equals or not name or not all(part.lstrip("-").isdecimal() for part in parts):
        raise OptionError(
            f"--shape must look like NAME=1,3,224,224, got '{text}'; "
            "give the input's name and whole numbers"
        )
    return name, tuple(int(part) for part in parts)


def decide_shapes(
    declared: Sequence[DeclaredInput],
    shapes: Mapping[str, Sequence[int]],
    batch: int | None,
    model: str,
) -> tuple[TensorSpec, ...]:
    """Fill every open dimension of `declared` from `shapes` and `batch`.

    A symbol that one input's shape decides is decided for all inputs. Raises OptionError that
    names the dimension and the option to give.
    """
    names = [name for name, _, _ in declared]
    for name in shapes:
        if name not in names:
            raise OptionError(
                f"'{model}' has no input '{name}'; its inputs are {', '.join(names) or 'none'}"
            )
    if batch is not None and batch < 1:
        raise OptionError(f"the batch must be at least 1, got {batch}")
    symbols = _symbols(declared, shapes, batch, model)
    decided = []
    for name, dtype, dims in declared:
        given = shapes.get(name)
        if dims is None:
            if given is None:
                raise OptionError(
                    f"'{model}' does not say the shape of input '{name}'; "
                    f"give it with --shape {name}=1,..."
                )
            dims = list(given)
        decided.append(TensorSpec(name, dtype, _fill(name, dims, given, symbols, batch, model)))
    if batch is not None and all(t.shape[:1] != (batch,) for t in decided):
        first = decided[0].describe() if decided else "nothing"
        raise OptionError(
            f"no input of '{model}' can take --batch {batch} (the first is {first}); "
            "leave out --batch, or export the model with a dynamic batch"
        )
    return tuple(decided)


def _symbols(
    declared: Sequence[DeclaredInput],
    shapes: Mapping[str, Sequence[int]],
    batch: int | None,
    model: str,
) -> dict[str, int]:
    """Value of each named symbol, from the shapes given and the batch."""
    symbols: dict[str, int] = {}
    for name, _, dims in declared:
        given = shapes.get(name)
        if given is None:
            continue
        if dims is not None and len(given) != len(dims):
            raise OptionError(
                f"input '{name}' of '{model}' has {len(dims)} dimensions "
                f"({_describe(dims)}), but --shape gives {len(given)}; give all of them"
            )
        for size, dim in zip(given, dims or given, strict=True):
            if size < 1:
                raise OptionError(
                    f"dimension {size} of input '{name}' is not possible; give numbers from 1 up"
                )
            if isinstance(dim, int) and size != dim:
                raise OptionError(
                    f"input '{name}' of '{model}' is fixed at {_describe(dims or [])}, so "
                    f"{','.join(map(str, given))} does not fit; leave out --shape or export the "
                    "model with dynamic dimensions"
                )
            if isinstance(dim, str) and dim and symbols.setdefault(dim, size) != size:
                raise OptionError(
                    f"dimension '{dim}' of '{model}' is given both {symbols[dim]} and {size}; "
                    "use one value for it"
                )
    if batch is not None:
        for _, _, dims in declared:
            if dims and isinstance(dims[0], str) and dims[0]:
                symbols.setdefault(dims[0], batch)
    return symbols


def _fill(
    name: str,
    dims: Sequence[int | str],
    given: Sequence[int] | None,
    symbols: Mapping[str, int],
    batch: int | None,
    model: str,
) -> tuple[int, ...]:
    shape: list[int] = []
    for position, dim in enumerate(dims):
        if given is not None:
            shape.append(given[position])
        elif isinstance(dim, int):
            shape.append(dim)
        elif dim in symbols:
            shape.append(symbols[dim])
        elif position == 0 and batch is not None:
            shape.append(batch)
        else:
            label = f"'{dim}'" if dim else f"number {position + 1}"
            example = ",".join(str(d) if isinstance(d, int) else "1" for d in dims)
            raise OptionError(
                f"dimension {label} of input '{name}' ({_describe(dims)}) of '{model}' is open; "
                f"give it with --shape {name}={example} or the sizes you use"
            )
    return tuple(shape)


def _describe(dims: Sequence[int | str]) -> str:
    return ",".join(str(d) if d != "" else "?" for d in dims)
