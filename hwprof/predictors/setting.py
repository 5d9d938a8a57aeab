"""Under what all values of a pool were measured: what never mixes with anything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Setting:
    """What was measured and how, beside the metric: equal for all values that may be compared."""

    space: str
    """Name of the search space, as `hwprof.spaces.get` takes it."""
    batch: int = 1
    resolution: int | None = None
    """Side of the input image, or tokens; None where each architecture has its own."""
    precision: str = "fp32"
    """What the arithmetic was in. A runtime that takes a model as it is has the model's."""
    threads: int = 1

    def __str__(self) -> str:
        shape = "" if self.resolution is None else f", resolution {self.resolution}"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.space}, batch {self.batch}{shape}, {self.precision}, {threads}"

    def differences(self, other: Setting) -> Iterator[str]:
        """What the two do not share, a clause each, such as `batch 1 and 8`."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if mine != theirs:
                yield f"{each.name} {_said(mine)} and {_said(theirs)}"


def _said(value: object) -> str:
    return "of its own" if value is None else str(value)
