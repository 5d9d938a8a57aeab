"""What was found out about each input, and the rule that follows for its elements."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from hwprof.errors import OptionError
from hwprof.graph import TensorSpec
from hwprof.measurement import USUAL_VALUES, Values
from hwprof.models.inputs.recipe import MAX_LISTED, Recipe

_WHOLE = ("int", "uint")


@dataclass(slots=True)
class Findings:
    """What was found out about one input."""

    spec: TensorSpec
    wished: dict[int, float] = field(default_factory=dict)
    """Wanted elements by their index; -1 stands for all others."""
    low: int = 0
    entries: int | None = None
    """How many entries the smallest table has that it picks from."""
    few: bool = False
    """Whether it picks after something unknown is done to it: then the usual values are safest."""
    length: int | None = None
    """How many places are told from those after it."""
    offsets: int | None = None
    divides: bool = False
    marks: bool = False
    hides: bool = False
    """Whether what it marks does not count."""
    picture: str = ""
    """The operation that decodes it, for a file's bytes."""
    untold: str = ""
    """What it decides, where no good value can be told."""
    numbers: tuple[float, ...] | None = None
    """Constants that it is compared with, where a comparison picks a branch."""
    decides: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return self.spec.dtype.startswith(_WHOLE)


def values_of(findings: Findings, given: bool) -> Values:
    decides = findings.decides[0] if findings.decides else ""
    if len(findings.decides) > 1:
        decides += f" (and {len(findings.decides) - 1} more)"
    values = Values(findings.spec.name, USUAL_VALUES, decides=decides)
    if given:
        return values
    _ask_for_text_or_picture(findings)
    return replace(values, text=_text(findings))


def _ask_for_text_or_picture(findings: Findings) -> None:
    spec = findings.spec
    if spec.dtype == "string":
        raise OptionError(
            f"input '{spec.name}' ({spec.describe()}) holds text, which cannot be made up; "
            f"give it with --input {spec.name}=TEXT"
        )
    if findings.picture:
        raise OptionError(
            f"input '{spec.name}' holds a picture's file for {findings.picture}, which cannot be "
            f"made up; give its bytes with --input {spec.name}=FILE.npy"
        )


def _text(findings: Findings) -> str:
    """The rule for one input, in the order of what says most about it. Raises OptionError."""
    spec = findings.spec
    if spec.dtype not in _KNOWN or not spec.elements:
        return USUAL_VALUES
    if findings.offsets is not None:
        return Recipe(0, findings.offsets, even=True).text
    if findings.wished:
        return _listed(findings)
    if findings.entries is not None:
        return _range_text(findings, findings.low, max(findings.low, findings.entries - 1))
    if findings.length is not None:
        return _one(findings.length)
    if findings.untold:
        raise _ask(findings, findings.untold)
    if findings.numbers is not None:
        raise _ask(findings, "")
    if findings.few:
        return "0"
    # Summed up to lengths, a mask is used like no mask: only its name tells.
    named = findings.whole and "mask" in str(spec.name).lower()
    marks = findings.marks or named or spec.dtype == "bool"
    if findings.hides and (findings.whole or spec.dtype == "bool"):
        return "0"
    if findings.divides or marks:
        return "1"
    return USUAL_VALUES


_KNOWN = frozenset(
    {"bool", "float16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)


def _listed(findings: Findings) -> str:
    spec, wished = findings.spec, findings.wished
    rest = wished.get(-1, next(iter(wished.values())))
    numbers = [wished.get(index, rest) for index in range(min(spec.elements, MAX_LISTED + 1))]
    same = len(set(wished.values())) == 1
    if same or spec.elements > MAX_LISTED:
        return Recipe(rest, rest).text
    return Recipe(listed=tuple(numbers)).text if len(set(numbers)) > 1 else _one(numbers[0])


def _one(number: float) -> str:
    return Recipe(number, number).text


def _range_text(findings: Findings, low: int, high: int) -> str:
    if findings.whole:
        high = min(high, int(np.iinfo(findings.spec.dtype).max))
        low = min(low, high)
    return Recipe(low, high).text


def _ask(findings: Findings, operation: str) -> OptionError:
    spec, numbers = findings.spec, findings.numbers or ()
    texts = [_one(number) for number in numbers]
    example = texts[0] if texts else "true" if spec.dtype == "bool" else "NUMBER"
    if spec.elements > 1:
        example = "NUMBER,..." if spec.elements <= MAX_LISTED else "FILE.npy"
    hint = f" (the model compares it with {' and '.join(texts)})" if texts else ""
    if spec.dtype == "bool" and not texts:
        hint = f" or {spec.name}=false"
    what = findings.decides[0] if findings.decides else f"what {operation} does"
    return OptionError(
        f"input '{spec.name}' ({spec.describe()}) decides {what}, and a good value for it cannot "
        f"be told; give it with --input {spec.name}={example}{hint}"
    )
