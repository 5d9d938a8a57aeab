"""Rules that elements are made by, in the words that options, records and printed lines share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwprof.errors import ModelError, OptionError
from hwprof.graph import TensorSpec
from hwprof.measurement import USUAL_VALUES

SEED = 0
SHOWN = 80
MAX_LISTED = 16
LARGEST = 2**64
"""No type of whole numbers holds it."""
_WORDS = {"true": 1, "false": 0}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Elements drawn from `low` to `high` (a fixed seed), or the `listed` ones in C order.

    Whole numbers and truth values are drawn from `low` to `high`, both possible; floats uniformly
    in [low, high). Where the two are equal, or a single one is listed, every element is that.
    `even` spreads them evenly in rising order instead of drawing them: offsets of bags, say.
    """

    low: float = 0
    high: float = 1
    listed: tuple[float, ...] = ()
    even: bool = False

    @property
    def text(self) -> str:
        """`0..50256`, `0..4064 rising`, `1` or `1200,1800`: what `parse` reads back."""
        if self.listed:
            return ",".join(map(_number_text, self.listed))
        if self.low == self.high:
            return _number_text(self.low)
        return (
            f"{_number_text(self.low)}..{_number_text(self.high)}{' rising' if self.even else ''}"
        )

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """The recipe that `text` writes. Raises OptionError."""
        span = text.strip().removesuffix(" rising")
        low, dots, high = span.partition("..")
        if dots:
            found = cls(_number(low, text), _number(high, text), even=span != text.strip())
            if found.low > found.high:
                raise OptionError(f"the range '{text}' ends before it begins; write low..high")
            return found
        numbers = tuple(_number(part, text) for part in text.split(","))
        if len(numbers) > MAX_LISTED:
            raise OptionError(
                f"{len(numbers)} values are too many to list ({MAX_LISTED} at most); "
                "keep them in a .npy file"
            )
        return cls(numbers[0], numbers[0]) if len(numbers) == 1 else cls(listed=numbers)

    def array(self, spec: TensorSpec) -> np.ndarray:
        """The elements of one input, of its shape and type.

        Raises ModelError for a type that NumPy cannot be asked for, OptionError for listed values
        that are too many or too few.
        """
        kind = _numpy_type(spec)
        if kind.kind in "iub" and (self.low != int(self.low) or self.high != int(self.high)):
            raise self._not_whole(spec)
        if self.listed:
            if len(self.listed) != spec.elements:
                raise OptionError(
                    f"input '{spec.name}' takes {spec.elements} values ({spec.describe()}), "
                    f"and {len(self.listed)} are listed"
                )
            return self._cast(np.array(self.listed, np.float64).reshape(spec.shape), kind, spec)
        if self.low == self.high:
            return self._cast(np.full(spec.shape, self.low), kind, spec)
        if self.even:
            spread = np.floor(np.linspace(self.low, self.high, spec.elements))
            return self._cast(spread.reshape(spec.shape), kind, spec)
        rng = np.random.default_rng(SEED)
        if kind.kind in "iub":
            low, high = int(self.low), int(self.high)
            _check_holds(kind, (low, high), spec)
            return rng.integers(low, high, spec.shape, endpoint=True).astype(kind)
        drawn = rng.random(spec.shape, dtype=np.float32)
        if (self.low, self.high) != (0, 1):
            drawn = drawn * np.float32(self.high - self.low) + np.float32(self.low)
        return drawn.astype(kind)

    def _cast(self, values: np.ndarray, kind: np.dtype, spec: TensorSpec) -> np.ndarray:
        if kind.kind in "iub" and not np.array_equal(values, np.floor(values)):
            raise self._not_whole(spec)
        if kind.kind in "iu" and values.size:
            _check_holds(kind, (int(values.min()), int(values.max())), spec)
        return values.astype(kind)

    def _not_whole(self, spec: TensorSpec) -> OptionError:
        return OptionError(
            f"input '{spec.name}' holds whole numbers ({spec.describe()}), unlike '{self.text}'; "
            "give whole ones"
        )


def usual_recipe(spec: TensorSpec) -> Recipe:
    """What fills an input of which nothing is known: floats in [0, 1), whole numbers 0 or 1.

    Every vocabulary and axis has those two.
    """
    return Recipe.parse(USUAL_VALUES)


def _check_holds(kind: np.dtype, ends: tuple[int, int], spec: TensorSpec) -> None:
    if kind.kind == "b":
        limits = (0, 1)
    else:
        info = np.iinfo(kind)
        limits = (int(info.min), int(info.max))
    if ends[0] < limits[0] or ends[1] > limits[1]:
        raise OptionError(
            f"input '{spec.name}' ({spec.describe()}) holds numbers from {limits[0]} to "
            f"{limits[1]}, so {ends[0]}..{ends[1]} does not fit"
        )


def _numpy_type(spec: TensorSpec) -> np.dtype:
    try:
        kind = np.dtype(spec.dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind.kind not in "iubf":
        raise ModelError(
            f"input '{spec.name}' has type {spec.dtype}, for which no values can be made up; "
            f"give them with --input {spec.name}=FILE.npy, or export the model with float, "
            "integer or boolean inputs"
        )
    return kind


def _number(text: str, whole: str) -> float:
    word = text.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    try:
        count = int(word)
    except ValueError:  # Python refuses whole numbers of thousands of digits, too
        count = LARGEST
    if abs(count) < LARGEST:
        return count
    try:
        number = float(word)
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise OptionError(
            f"'{whole[:SHOWN]}' is no value for an input; give a number, several with commas, "
            "a range like 0..50256, or a .npy file"
        )
    return number


def _number_text(number: float) -> str:
    return (
        str(int(number)) if number == int(number) and abs(number) < 2**63 else repr(float(number))
    )
