"""What a case is, and how it may end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import onnx

import hwprof
from hwprof.errors import HwprofError
from hwprof.measurement import Measurement
from hwprof.profiler.plan import Plan

Outcome = Literal["right", "warned", "asked", "wrong"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one case ended in one way of measuring it."""

    case: str
    way: str
    outcome: Outcome
    text: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """What all cases share."""

    folder: Path
    cpu: int
    budget_s: float = 2.0

    def plan(self, per_op: bool = False) -> Plan:
        return Plan(budget_s=self.budget_s, per_op=per_op, pin=str(self.cpu))

    def saved(self, name: str, model: onnx.ModelProto) -> Path:
        path = self.folder / f"{name}.onnx"
        onnx.save(model, str(path))
        return path


@dataclass(frozen=True, slots=True)
class Case:
    """A model, or a family of them, with the right assertion about it."""

    name: str
    kind: str
    """What is easily got wrong."""
    check: Callable[[Setting], Iterator[Verdict]]


def attempt(model: Any, *arguments: Any, **options: Any) -> Measurement | Exception:
    """A measurement, or whatever was raised: what is raw is for the case to judge."""
    try:
        return hwprof.measure(model, *arguments, **options)
    except Exception as error:
        return error


def said(error: Exception) -> str:
    """An error for a report: hwprof's own in its words, any other by its type."""
    if isinstance(error, HwprofError):
        return f"{type(error).__name__}: {error}"
    return f"raw {type(error).__name__}: {error}"


def refusal(
    case: str, way: str, error: Exception, wanted: Sequence[str], outcome: Outcome = "right"
) -> Verdict:
    """A refusal is in order when it is hwprof's own and holds one of the `wanted` words."""
    fits = isinstance(error, HwprofError) and any(word in str(error) for word in wanted)
    return Verdict(case, way, outcome if fits else "wrong", said(error))
