"""Architectures written as `key=value` fields, some of them with one value per layer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.similarity import Linear, Rbf, Similarity
from hwprof.spaces.analytic import Analytic, Columns, CountedSpace, Part, PartWork, summed, tables
from hwprof.spaces.base import Choices, Costs, Indices, Position
from hwprof.spaces.products import Term, products
from hwprof.spaces.recorder import total
from hwprof.spaces.tables import Table
from hwprof.spaces.work import NAMES


@dataclass(frozen=True, slots=True)
class Field:
    """One `key=value,value,...` of a text."""

    key: str
    choices: Choices
    """What each value may be."""
    places: tuple[str, ...]
    """Names of the positions, one per value."""
    depth: str | None = None
    """Key of the field that says how many of the values are used; None where all are."""


def per_layer(stack: str, what: str, layers: int) -> tuple[str, ...]:
    """Names of one decision in each layer, such as `encoder.layer1.ffn`."""
    prefix = f"{stack}." if stack else ""
    return tuple(f"{prefix}layer{number}.{what}" for number in range(1, layers + 1))


@dataclass(frozen=True)
class Fields:
    """How a space writes its architectures: fields in order, separated by spaces."""

    space: str
    fields: tuple[Field, ...]

    @cached_property
    def positions(self) -> tuple[Position, ...]:
        """Every decision, field by field."""
        return tuple(
            Position(place, field.choices) for field in self.fields for place in field.places
        )

    @cached_property
    def starts(self) -> Mapping[str, int]:
        """Column of the first position of each field."""
        found, start = {}, 0
        for field in self.fields:
            found[field.key] = start
            start += len(field.places)
        return found

    def values(self, choices: Sequence[str]) -> dict[str, Choices]:
        """The used values of each field, given one choice per position."""
        found = {}
        for field in self.fields:
            start = self.starts[field.key]
            count = len(field.places)
            if field.depth is not None:
                count = int(choices[self.starts[field.depth]])
            found[field.key] = tuple(choices[start : start + count])
        return found

    def format(self, choices: Sequence[str]) -> str:
        """The text of one choice per position; the inverse of `parse`."""
        parts = self.values(choices).items()
        return " ".join(f"{key}={','.join(values)}" for key, values in parts)

    def parse(self, text: str) -> Choices:
        """One choice per position, the first one where a position is not used.

        Raises OptionError naming the wrong part and what is allowed.
        """
        given = self._split(text)
        found: list[str] = []
        for field in self.fields:
            count, why = len(field.places), "takes"
            if field.depth is not None:
                # The field of the depth stands before those that depend on it.
                count = int(found[self.starts[field.depth]])
                why = f"with {field.depth}={count} takes"
            values = given[field.key].split(",")
            if len(values) != count:
                raise OptionError(
                    f"{field.key}={given[field.key]} of {self.space} has {_some(len(values))} "
                    f"but {why} {_some(count)}; give {count}, separated by commas"
                )
            for place, value in zip(field.places, values, strict=False):
                if value not in field.choices:
                    raise OptionError(
                        f"{field.key}={given[field.key]} of {self.space} has {value!r} at "
                        f"{place}; choose among {', '.join(field.choices)}"
                    )
            found += values + [field.choices[0]] * (len(field.places) - count)
        return tuple(found)

    def canonical(self, rows: Indices) -> Indices:
        """Rows `[n, positions]` with choice 0 in the layers past the depth."""
        clean = rows.copy()
        for field in self.fields:
            if field.depth is None:
                continue
            depth = self.starts[field.depth]
            for number in range(len(field.places)):
                used = [int(choice) > number for choice in self.positions[depth].choices]
                column = clean[:, self.starts[field.key] + number]
                for index, is_used in enumerate(used):
                    if not is_used:
                        column[clean[:, depth] == index] = 0
        return clean

    def _split(self, text: str) -> dict[str, str]:
        """The value of each key, all keys given once."""
        keys = [field.key for field in self.fields]
        listed = ", ".join(f"{key}=" for key in keys)
        given: dict[str, str] = {}
        for part in text.split():
            key, equals, value = part.partition("=")
            if not equals or key not in keys:
                raise OptionError(f"{self.space} has no field {part!r}; give {listed}")
            if key in given:
                raise OptionError(f"{key}= of {self.space} stands twice, in {part!r}; give it once")
            given[key] = value
        missing = [key for key in keys if key not in given]
        if missing:
            raise OptionError(f"an architecture of {self.space} lacks {missing[0]}=; give {listed}")
        return given


class FieldSpace(CountedSpace):
    """A space whose architectures are fields, and whose costs are sums of products."""

    @property
    @abstractmethod
    def fields(self) -> Fields:
        """How architectures are written."""

    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """What a network consists of; its costs are theirs together."""

    @abstractmethod
    def terms(self) -> Sequence[Term]:
        """What the layers' costs are made of."""

    @property
    def positions(self) -> tuple[Position, ...]:
        """See `Space.positions`."""
        return self.fields.positions

    def parse(self, text: str) -> Choices:
        """See `Space.parse`. Fields may come in any order."""
        return self.fields.parse(text)

    def format(self, choices: Sequence[str]) -> str:
        """See `Space.format`."""
        return self.fields.format(self.check(choices))

    def canonical(self, rows: Indices) -> Indices:
        """See `Space.canonical`."""
        return self.fields.canonical(rows)

    def costs(self, arch: str | ArrayLike) -> Costs:
        """See `Space.costs`, at the architecture's own resolution if it has one."""
        names = (position.name for position in self.positions)
        chosen = dict(zip(names, self.choices(arch), strict=True))
        return total(part.costs(*map(chosen.get, part.positions)) for part in self._parts)

    def count(self) -> Columns:
        """See `CountedSpace.count`."""
        return summed(self, tables(self, self._parts), NAMES)

    def layers(self) -> Sequence[Part]:
        """See `CountedSpace.layers`."""
        return [part for part in self._parts if part.layer]

    def _remaining(self, layers: Sequence[PartWork]) -> list[Table]:
        """See `CountedSpace._remaining`: the parts without a layer."""
        parts = [part for part in self._parts if not part.layer]
        return [*tables(self, parts)] or [((), np.zeros(len(NAMES)))]

    @cached_property
    def _parts(self) -> Sequence[Part]:
        return self.parts()

    def similarity(self) -> Similarity:
        """Physics of the layers summed up, and Gaussians of what was chosen.

        No public measurements choose the constants: they were judged on simulated rooflines.
        """
        physics = products(self.positions, self.terms())
        return Similarity(
            name=self.name,
            smoothing=(physics, Linear(), Rbf(length=2.0)),
            smoothing_weights=((1, 0, 0), (1, 0.01, 0.01), (1, 0.1, 0.1)),
            transfer=(physics, Rbf(length=2.0, rank=60)),
            transfer_weights=((0.001, 0.01, 0.1), (1e-5, 1e-3)),
            device_weights=(0.03, 0.2, 1.0),
            noises=(1e-4, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
            analytic=Analytic(self),
        )


def _some(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"
