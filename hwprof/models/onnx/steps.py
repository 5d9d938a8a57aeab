"""A runtime's kernels in neutral words: what they read and write, and what their names tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """A kernel as the runtime runs it, by the tensors that it reads and writes."""

    reads: Sequence[str]
    """What it takes in first; then the rest, what graphs inside it take from outside included."""
    writes: Sequence[str]
    """Its outputs in order, "" for one that is left out."""
    moves: bool = False
    """Whether its first output is its first input in another layout, shape or type."""
    op: str = ""
    """The ONNX operator that it is, "" where it is none or unknown."""
    name: str = ""
    """What the runtime calls it: for `Hints`, which read it."""
    adds: str = ""
    """A tensor that it adds to the one that its name gives away; "" for none."""
    then: str = ""
    """The ONNX operator that it applies last, to what its name gives away; "" for none."""
    inner: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    """Steps of the graphs inside it, by the name of the attribute that holds the graph."""


class Names(Protocol):
    """What a name may mean in the model file."""

    def tensor(self, name: str) -> str | None:
        """The tensor called `name`, if a node computes it."""

    def node(self, name: str) -> str | None:
        """The first output of the node called `name`, if there is such a node."""


Hints = Callable[[Step, Names], str | None]
"""Given a step, the tensor of the model file that its name gives away; None where it tells none.

The step computes this tensor, and more after it where `Step.adds` and `Step.then` say so.
"""


def no_hints(_step: Step, _names: Names) -> None:
    """For a runtime whose names tell nothing."""
