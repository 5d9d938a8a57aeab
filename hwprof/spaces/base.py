"""What a search space offers: architectures as rows of choices, their features, cost and models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.similarity import PLAIN, Similarity
from hwprof.spaces.work import Work

if TYPE_CHECKING:
    import onnx

Choices = tuple[str, ...]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Position:
    """One decision of an architecture."""

    name: str
    """Unique in the space, such as `stage2.layer1.kernel`."""
    choices: Choices
    """What may be chosen, in the order of the features."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What an architecture has to do, whatever the device."""

    flops: int
    """One multiply-accumulate is 2, as everywhere in hwprof (`hwprof.opcosts`)."""
    parameters: int
    """Numbers learned: weights, biases, scales and shifts of normalisations."""
    activation_bytes: int
    """Bytes of all tensors that the layers write, each once, in float32 unless a space says that
    some are stored in another precision."""
    work: Work | None = field(default=None, compare=False, repr=False)
    """What the layers have to do, by kind; None where a space counts no layers. Two costs are equal
    if the others are."""
    int8: Costs | None = field(default=None, compare=False, repr=False)
    """The same with every matrix product and convolution in int8, see `hwprof.spaces.mixed`; None
    where a space does not count it."""

    @property
    def compute_intensity(self) -> float:
        """FLOPs per byte that moves between memory and processor; see `compute_intensity`."""
        return float(compute_intensity(self.flops, self.parameters, self.activation_bytes))


def compute_intensity(
    flops: ArrayLike, parameters: ArrayLike, activation_bytes: ArrayLike
) -> NDArray[np.float64]:
    """`flops / (2 * activation_bytes + 4 * parameters)`, FLOPs per byte, in the shape given.

    The traffic is counted as if no cache kept anything between layers: every activation is written
    once and read once, every learned number is read once, all in float32; the network's input and
    a second reader of a tensor are left out. So RENA bounds networks from below (Zhou et al.,
    Resource-Efficient Neural Architect, 2018: more than 100 FLOPs per byte). Raises OptionError
    where nothing moves.
    """
    traffic = 2.0 * np.asarray(activation_bytes) + 4.0 * np.asarray(parameters)
    if not (traffic > 0).all():
        raise OptionError(
            "an architecture that moves no bytes has no compute intensity; leave it out"
        )
    return np.asarray(flops, dtype=np.float64) / traffic


TOTALS = ("flops", "parameters", "activation_bytes")
"""Names of the numbers that all costs have."""

SUFFIX = "+int8"
"""What the name of a space with a precision per layer ends with."""


class Space(ABC):
    """A search space: an architecture chooses one of several options at each position.

    Architectures are text (what people and files use) or rows of choice indices `[n, positions]`
    (what a search uses). Positions that an architecture does not use, such as the layers past its
    depth, hold choice 0: `canonical` sees to it, and everything here returns canonical rows.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Lower-case name, as `hwprof.spaces.get` takes it."""

    @property
    @abstractmethod
    def positions(self) -> tuple[Position, ...]:
        """Every decision, in the order of the columns of `indices`."""

    @abstractmethod
    def parse(self, text: str) -> Choices:
        """The choices that a text names, one per position.

        Raises OptionError, naming the wrong part and what is allowed, when the text is not an
        architecture of this space.
        """

    @abstractmethod
    def format(self, choices: Sequence[str]) -> str:
        """The text; the inverse of `parse`. Raises OptionError as `parse` does."""

    @abstractmethod
    def costs(self, arch: str | ArrayLike) -> Costs:
        """What one architecture, text or row, has to do, at the default batch and resolution.

        Counted layer by layer, without building the model.
        """

    @abstractmethod
    def build(
        self, arch: str | ArrayLike, batch: int = 1, resolution: int | None = None
    ) -> onnx.ModelProto:
        """One architecture as an ONNX model with real layers and random weights.

        `resolution` is the side of the input image (the sequence length where the input is a
        text); None takes what the architecture or the space says. Raises OptionError for what is
        not an architecture, a batch below 1 or a resolution that the network cannot take.
        """

    def resolution(self, arch: str | ArrayLike) -> int:
        """Side of the image, or tokens, that `build` takes for one architecture by itself.

        The last dimension of the first input. Found by building the model, unless a space knows
        better. Raises OptionError for what is not an architecture.
        """
        shape = self.build(arch).graph.input[0].type.tensor_type.shape
        return int(shape.dim[-1].dim_value)

    def similarity(self) -> Similarity:
        """How alike architectures are, by the features that `encode` gives.

        What any feature matrix gets. Spaces that know what their choices have in common override
        it, under their own name.
        """
        return replace(PLAIN, name=self.name)

    def canonical(self, rows: Indices) -> Indices:
        """The same architectures with choice 0 wherever a position is not used.

        Spaces whose depth leaves positions unused override it.
        """
        return rows

    def rows(self, texts: Sequence[str]) -> Indices:
        """Rows of texts, `[n, positions]`, not yet canonical; for spaces that have a faster way."""
        tables = self._tables
        found = [[t[c] for t, c in zip(tables, self.parse(x), strict=True)] for x in texts]
        return np.array(found, dtype=np.int64).reshape(len(found), len(tables))

    def check(self, choices: Sequence[str]) -> Choices:
        """The choices as a tuple. Raises OptionError unless there is a known one per position."""
        if len(choices) != len(self.positions):
            raise OptionError(
                f"an architecture of {self.name} has {len(self.positions)} choices, but "
                f"{len(choices)} were given; give one per position"
            )
        for position, choice in zip(self.positions, choices, strict=True):
            if choice not in position.choices:
                raise OptionError(
                    f"{self.name} has no choice {choice!r} at {position.name}; choose among "
                    f"{', '.join(position.choices)}"
                )
        return tuple(choices)

    @property
    def size(self) -> int:
        """How many rows there are, unused positions counted as chosen."""
        return prod(len(position.choices) for position in self.positions)

    @property
    def width(self) -> int:
        """Features per architecture, d."""
        return int(self.sizes.sum())

    @cached_property
    def sizes(self) -> Indices:
        """How many choices each position has, `[positions]`."""
        return np.array([len(position.choices) for position in self.positions], dtype=np.int64)

    def indices(self, archs: str | Sequence[str] | ArrayLike) -> Indices:
        """Architectures, texts or rows, as canonical rows `[n, positions]`.

        Raises OptionError naming the first one that is not an architecture of this space.
        """
        if isinstance(archs, str):
            raise OptionError("archs must be a sequence of strings, not one; pass it in a list")
        given = archs if isinstance(archs, list | tuple) else np.asarray(archs)
        if isinstance(given, np.ndarray) and given.dtype.kind in "OUST":
            given = given.tolist()
        if isinstance(given, list | tuple) and given and isinstance(given[0], str):
            for number, text in enumerate(given):
                if not isinstance(text, str):
                    raise OptionError(
                        f"archs must be all texts or all rows, but number {number} is "
                        f"{text!r}; name it as text"
                    )
            return self.canonical(self.rows(given))
        return self.canonical(self._checked(given))

    def row(self, arch: str | ArrayLike) -> Indices:
        """One architecture, text or row, as a canonical row `[positions]`. Raises OptionError."""
        row: Indices = self.indices([arch] if isinstance(arch, str) else np.asarray(arch)[None])[0]
        return row

    def choices(self, arch: str | ArrayLike) -> Choices:
        """The canonical choices of one architecture, text or row. Raises OptionError."""
        row = self.row(arch).tolist()
        return tuple(p.choices[i] for p, i in zip(self.positions, row, strict=True))

    def texts(self, rows: ArrayLike) -> list[str]:
        """The text of each row; the inverse of `indices`. Raises OptionError as `indices` does."""
        names = [position.choices for position in self.positions]
        return [
            self.format([c[i] for c, i in zip(names, row, strict=True)])
            for row in self.indices(rows).tolist()
        ]

    def encode(self, archs: Sequence[str] | ArrayLike) -> NDArray[np.float32]:
        """Features of architectures, texts or rows, `[n, d]`: one-hot by position.

        Raises OptionError as `indices` does.
        """
        rows = self.indices(archs)
        features = np.zeros((len(rows), self.width), dtype=np.float32)
        starts = np.arange(len(rows)) * self.width
        flat = features.reshape(-1)
        for position, offset in enumerate(self._offsets):
            flat[starts + (rows[:, position] + offset)] = 1
        return features

    def flops(self, archs: Sequence[str] | ArrayLike) -> Indices:
        """`Costs.flops` of architectures, texts or rows, `[n]`."""
        return np.array([self.costs(row).flops for row in self.indices(archs)], dtype=np.int64)

    def parameters(self, archs: Sequence[str] | ArrayLike) -> Indices:
        """`Costs.parameters` of architectures, texts or rows, `[n]`."""
        return np.array([self.costs(row).parameters for row in self.indices(archs)], dtype=np.int64)

    def compute_intensity(self, archs: Sequence[str] | ArrayLike) -> NDArray[np.float64]:
        """`Costs.compute_intensity` of architectures, texts or rows, `[n]`."""
        found = [self.costs(row).compute_intensity for row in self.indices(archs)]
        return np.array(found, dtype=np.float64)

    @property
    def analytic_names(self) -> tuple[str, ...]:
        """What the columns of `analytic` are called, c of them.

        Those of `Costs`, where a space does not say more. A space that counts nothing has none.
        """
        return TOTALS

    def analytic(self, archs: Sequence[str] | ArrayLike) -> NDArray[np.float64]:
        """How long architectures, texts or rows, take on idealised machines, `[n, c]`.

        Each column has a unit of its own, such as bytes for a machine that only moves data; none is
        negative. Raises OptionError as `indices` does.
        """
        names, rows = self.analytic_names, self.indices(archs)
        costs = map(self.costs, rows) if names else ()
        found = [[getattr(cost, name) for name in names] for cost in costs]
        return np.array(found, dtype=np.float64).reshape(len(rows), len(names))

    def used(self, rows: Indices) -> NDArray[np.bool_]:
        """Which positions canonical rows use, `[n, positions]`."""
        if type(self).canonical is Space.canonical:
            return np.ones(rows.shape, dtype=np.bool_)
        used = rows > 0
        for position in np.flatnonzero(self.sizes > 1):
            probe = rows.copy()
            probe[:, position] = 1
            used[:, position] |= self.canonical(probe)[:, position] > 0
        return used

    def sample(self, n: int, rng: np.random.Generator) -> Indices:
        """n architectures, every choice equally likely, `[n, positions]`."""
        if n < 0:
            raise OptionError(f"n must be at least 0, but is {n}; ask for 0 architectures or more")
        return self.canonical(self._draw(n, rng))

    def mutate(
        self, rows: ArrayLike, rng: np.random.Generator, rate: float | None = None
    ) -> Indices:
        """Each architecture with every used position redrawn with probability `rate`.

        None takes one over the number of positions. A redraw takes another choice, and at least
        one position changes where the space allows it. Positions that come into use are drawn.
        """
        rate = 1 / len(self.positions) if rate is None else rate
        if not 0 <= rate <= 1:
            raise OptionError(f"rate must be from 0 to 1, but is {rate}; give a probability")
        parents = self.indices(rows)
        used = self.used(parents)
        free = used & (self.sizes > 1)
        changed = free & (rng.random(parents.shape) < rate)
        still = ~changed.any(axis=1) & free.any(axis=1)
        one = np.argmax(rng.random(parents.shape) * free, axis=1)
        changed[still, one[still]] = True
        step = 1 + rng.integers(0, np.maximum(self.sizes - 1, 1), parents.shape)
        children = np.where(changed, (parents + step) % self.sizes, parents)
        return self.canonical(np.where(used, children, self._draw(len(parents), rng)))

    def crossover(self, one: ArrayLike, other: ArrayLike, rng: np.random.Generator) -> Indices:
        """A child per pair, each position from either parent with equal chances (uniform).

        A position that one parent does not use comes from the other.
        """
        first, second = self.indices(one), self.indices(other)
        if len(first) != len(second):
            raise OptionError(
                f"crossover takes pairs, but was given {len(first)} and {len(second)} "
                "architectures; give as many of each"
            )
        here, there = self.used(first), self.used(second)
        coin = rng.random(first.shape) < 0.5
        return self.canonical(np.where(np.where(here & there, coin, here), first, second))

    @cached_property
    def _tables(self) -> list[dict[str, int]]:
        """Index of each choice, by position."""
        return [{c: i for i, c in enumerate(position.choices)} for position in self.positions]

    @cached_property
    def _offsets(self) -> list[int]:
        """Where the features of each position begin."""
        return [0, *np.cumsum(self.sizes)[:-1].tolist()]

    def _draw(self, n: int, rng: np.random.Generator) -> Indices:
        return rng.integers(0, self.sizes, (n, len(self.sizes)))

    def _checked(self, given: ArrayLike) -> Indices:
        """Rows of choice indices as `[n, positions]`, each in range."""
        try:
            rows = np.asarray(given)
        except ValueError as error:
            raise OptionError(
                f"rows of {self.name} must all have {len(self.positions)} choice indices; "
                "give an array [n, positions]"
            ) from error
        if rows.size == 0 and rows.ndim <= 2:
            return np.zeros((len(rows), len(self.positions)), dtype=np.int64)
        if rows.ndim != 2 or rows.shape[1] != len(self.positions) or rows.dtype.kind not in "iu":
            raise OptionError(
                f"architectures of {self.name} are texts or whole numbers [n, "
                f"{len(self.positions)}], but {rows.dtype} {list(rows.shape)} was given; "
                "give a list of texts or an array of choice indices"
            )
        wrong = (rows < 0) | (rows >= self.sizes)
        if wrong.any():
            number, place = (int(i) for i in np.argwhere(wrong)[0])
            position = self.positions[place]
            allowed = ", ".join(f"{i} ({choice})" for i, choice in enumerate(position.choices))
            raise OptionError(
                f"row {number} of {self.name} chooses {rows[number, place]} at {position.name}; "
                f"choose among {allowed}"
            )
        return rows.astype(np.int64, copy=False)
