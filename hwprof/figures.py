"""Figures as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwprof.latency import Latency

LOPSIDED = 1.5


def ms(seconds: float) -> str:
    """Milliseconds with four significant digits."""
    return four_digits(seconds * 1e3)


def four_digits(value: float) -> str:
    """A figure with four significant digits, in plain decimals."""
    digits = 4 - len(str(int(abs(value)))) if abs(value) >= 1 else 4
    return f"{value:.{max(digits, 0)}f}"


def spread(latency: Latency) -> str:
    """The interval relative to the headline, or a plain word that there is none.

    One that reaches much further down than up, as a disturbed figure's does, is told by both ends.
    """
    width, interval = latency.relative_half_width, latency.ci95_s
    if width is None or interval is None:
        return "no interval"
    below = 1 - interval[0] / latency.headline_s
    above = interval[1] / latency.headline_s - 1
    return f"-{below:.0%} +{above:.0%}" if below > LOPSIDED * above else f"± {width:.1%}"
