"""Sizes that a network can take."""

from __future__ import annotations

import numpy as np

from hwprof.errors import OptionError


def divisible(value: float) -> int:
    """Channels rounded to a multiple of 8, but not down by more than a tenth (Sandler, 2018)."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def check_image(space: str, batch: int, side: int, least: int, step: int = 1) -> None:
    """Raise OptionError for a batch or a side of the image that a network cannot take."""
    _check_batch(batch)
    if not _whole(side) or side < least or side % step:
        kind = f"a multiple of {step}" if step > 1 else "a whole number"
        raise OptionError(
            f"resolution of {space} is the side of the image, {kind} from {least}, but is {side}; "
            "give another"
        )


def check_sequence(space: str, batch: int, length: int, longest: int) -> None:
    """Raise OptionError for a batch or a sequence length that a network cannot take."""
    _check_batch(batch)
    if not _whole(length) or not 1 <= length <= longest:
        raise OptionError(
            f"resolution of {space} is the sequence length, a whole number from 1 to {longest}, "
            f"but is {length}; give another"
        )


def _check_batch(batch: int) -> None:
    if not _whole(batch) or batch < 1:
        raise OptionError(f"batch must be a whole number from 1, but is {batch}; give 1 or more")


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
