"""A small search space as spaces are to be: positions of their own sizes, depth, costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwprof.errors import OptionError
from hwprof.predictors.base import AdaptedPredictor
from hwprof.predictors.baselines.prediction import StudentPrediction


@dataclass(frozen=True)
class Position:
    name: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Costs:
    flops: int
    parameters: int
    activation_bytes: int


class Toy:
    """Four positions; the first says whether the last is used."""

    name = "toy"
    positions = (
        Position("depth", ("short", "long")),
        Position("kernel", ("3", "5", "7")),
        Position("width.a", ("16", "32", "64", "128")),
        Position("width.b", ("16", "32")),
    )
    _work = ((0, 10), (9, 25, 49), (1, 2, 4, 8), (0, 3))

    def indices(self, archs):
        if not isinstance(archs, np.ndarray):
            archs = [
                [p.choices.index(c) for p, c in zip(self.positions, self.parse(a), strict=True)]
                for a in archs
            ]
        rows = np.array(archs, dtype=np.int64)
        return np.column_stack([rows[:, :3], np.where(rows[:, 0] == 0, 0, rows[:, 3])])

    def parse(self, text):
        choices = tuple(text.split("-"))
        if len(choices) != 4 or any(
            c not in p.choices for p, c in zip(self.positions, choices, strict=True)
        ):
            raise OptionError(f"{text!r} is no toy; write one")
        return choices

    def format(self, choices):
        return "-".join(choices)

    def encode(self, archs):
        rows = self.indices(archs)
        hot = [np.eye(len(p.choices))[rows[:, i]] for i, p in enumerate(self.positions)]
        return np.concatenate(hot, axis=1).astype(np.float32)

    def costs(self, arch):
        row = self.indices(np.asarray(arch)[None])[0]
        flops = sum(table[i] for table, i in zip(self._work, row, strict=True))
        return Costs(1000 * flops, 10 * flops, 4 * flops)


class Plain(Toy):
    """The same without depth: every position is always used. Counts many FLOPs at once."""

    name = "plain"

    def indices(self, archs):
        rows = archs if isinstance(archs, np.ndarray) else super().indices(archs)
        return np.asarray(rows, dtype=np.int64)

    def flops(self, archs):
        return np.array([self.costs(row).flops for row in self.indices(archs)], dtype=np.int64)


class Sum(AdaptedPredictor):
    """A device that adds up, seconds; counts how often it is asked, and of how much."""

    def __init__(self, weights, constant=1e-3, spread=0.05, power=1.0):
        self.weights, self.constant = np.asarray(weights, dtype=np.float64), constant
        self.spread, self.power, self.asked = spread, power, 0

    def predict(self, architectures):
        features = np.asarray(architectures, dtype=np.float64)
        if features.ndim == 1:
            features = np.eye(len(self.weights))[features.astype(int)]
        self.asked += len(features)
        mean = (features @ self.weights + self.constant) ** self.power
        return StudentPrediction(mean, self.spread * mean, 5.0)

    def update(self, indices, latency_s, std_error_s=None):
        return self


def every(space) -> np.ndarray:
    """All rows of a toy."""
    sizes = [range(len(p.choices)) for p in space.positions]
    return np.array(np.meshgrid(*sizes, indexing="ij")).reshape(len(sizes), -1).T


WEIGHTS = 1e-3 * np.array([0.0, 1, 1, 2, 3, 1, 2, 4, 8, 0, 1])
