"""Metrics, their base units, and limits written as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwprof.errors import OptionError

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_WORDS = {
    **{"s": "seconds", "J": "joules", "B": "bytes", "": "plain numbers"},
    "FLOPs/B": "FLOPs per byte",
}
# A metric of one's own is named in columns, options and messages.
_LONGEST_NAME, _MOST_UNITS, _LONGEST_UNIT = 60, 32, 16


@dataclass(frozen=True, slots=True)
class Metric:
    """A cost, in base units inside and in `units` where people read and write it."""

    name: str
    units: dict[str, float]
    """Unit to its size in base units; prefixes tell case apart (m is not M)."""
    example: str
    of_space: bool = False
    """Whether the architecture alone decides it, whatever the device."""

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def unit(self) -> str:
        """The base unit, such as `J`; empty for plain numbers."""
        return next(unit for unit, size in self.units.items() if size == 1)

    @property
    def words(self) -> str:
        """The base unit as sentences have it, such as `joules`."""
        return _WORDS.get(self.unit, self.unit)

    def is_same(self, other: Metric) -> bool:
        """Whether values of the two may be compared: one name, the same units."""
        return self.name == other.name and self.units == other.units

    def shown_in(self, value: float) -> str:
        """The largest unit in which the value is at least 1, or the smallest."""
        fitting = [unit for unit, size in self.units.items() if abs(value) >= size]
        return max(
            fitting or self.units, key=lambda u: self.units[u] if fitting else -self.units[u]
        )

    def show(self, value: float) -> str:
        """The value in the largest unit in which it is at least 1, for messages."""
        unit = self.shown_in(value)
        return f"{value / self.units[unit]:.4g}{unit}"


_TIME = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_ENERGY = {"J": 1.0, "kJ": 1e3, "mJ": 1e-3, "uJ": 1e-6}
_BYTES = {
    "B": 1.0,
    **{"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9},
    **{"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30},
}
_COUNTS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
_FLOPS = {
    "": 1.0,
    **{prefix + "FLOPs": size for prefix, size in _COUNTS.items() if prefix != "B"},
    **{prefix: size for prefix, size in _COUNTS.items() if prefix not in ("", "B")},
}

_INTENSITIES = {"FLOPs/B": 1.0, "": 1.0}

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("latency", _TIME, "15ms"),
        # What the sensor counted in one run, under the name that the first files gave it.
        Metric("energy", _ENERGY, "2mJ"),
        Metric("energy_gross", _ENERGY, "2mJ"),
        # Gross less what the same sensor counts while nothing runs.
        Metric("energy_net", _ENERGY, "2mJ"),
        Metric("memory", _BYTES, "3MB"),
        Metric("peak_memory", _BYTES, "3MB"),
        Metric("flops", _FLOPS, "300MFLOPs", of_space=True),
        Metric("parameters", _COUNTS, "5M", of_space=True),
        Metric("activation_bytes", _BYTES, "3MB", of_space=True),
        Metric("compute_intensity", _INTENSITIES, "100FLOPs/B", of_space=True),
    )
}

LATENCY = METRICS["latency"]


def metric_of(name: str) -> Metric:
    """The metric of that name; one that hwprof does not know has plain numbers."""
    return METRICS.get(name) or Metric(name, {"": 1.0}, "1.5")


def check_metric(metric: Metric | str) -> Metric:
    """The metric, or that of a name, whose values may be stored and printed.

    Raises OptionError for a name that is none, for units that are not letters, positive and finite
    with one of size 1, and for a name of hwprof's with other units than hwprof's.
    """
    found = metric_of(metric) if isinstance(metric, str) else metric
    if not isinstance(found, Metric):
        raise OptionError(
            f"metric must be a name or a Metric, but is {type(metric).__name__}; pass one such as "
            "'energy'"
        )
    name: object = found.name
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise OptionError(
            f"a metric's name must be 1 to {_LONGEST_NAME} printable characters; choose one such "
            "as 'energy'"
        )
    known = METRICS.get(found.name)
    if known is not None and not known.is_same(found):
        raise OptionError(
            f"{found.name} has other units here than in hwprof ({', '.join(known.units)}); give "
            "your own metric a name of its own"
        )
    if known is None and not _are_units(found.units):
        raise OptionError(
            f"the units of {found.name} must be a mapping from letters, {_LONGEST_UNIT} at most, "
            "to positive finite sizes, one of them 1; correct them, such as {'g': 1.0, 'kg': 1e3}"
        )
    return found


def _are_units(units: object) -> bool:
    return (
        isinstance(units, Mapping)
        and 0 < len(units) <= _MOST_UNITS
        and all(
            isinstance(unit, str)
            and len(unit) <= _LONGEST_UNIT
            and re.fullmatch("[A-Za-z]*", unit) is not None
            and isinstance(size, int | float)
            and 0 < size < float("inf")
            for unit, size in units.items()
        )
        and 1 in units.values()
    )


def parse_limit(limit: float | str, metric: Metric) -> float:
    """A limit in base units, from a number in them or from a text such as `15ms`.

    Raises OptionError for what is not finite and positive, and for a unit of another metric.
    """
    if isinstance(limit, str):
        match = re.fullmatch(rf"\s*({_NUMBER})\s*([A-Za-z/]*)\s*", limit)
        if match is None or match[2] not in metric.units:
            units = ", ".join(unit for unit in metric.units if unit) or "a plain number"
            raise OptionError(
                f"a limit on {metric.name} must look like {metric.example} (units: {units}), got "
                f"'{limit}'; write it so, or give a number in base units"
            )
        value = float(match[1]) * metric.units[match[2]]
    else:
        try:
            value = float(limit)
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"a limit must be a number or a text such as {metric.example}, but is {limit!r}; "
                "give one of the two"
            ) from error
    if not (np.isfinite(value) and value > 0):
        raise OptionError(
            f"a limit on {metric.name} must be positive and finite, but is {limit!r}; "
            f"give one such as {metric.example}"
        )
    return value


def parse_share(share: float | str) -> float:
    """A share from a number, such as 0.05, or from a text in percent, such as `5%`.

    Raises OptionError for what is not finite, negative, or a text without its percent sign.
    """
    if isinstance(share, str):
        match = re.fullmatch(rf"\s*({_NUMBER})\s*%\s*", share)
        if match is None:
            raise OptionError(f"a share must look like 5%, got '{share}'; write it in percent")
        value = float(match[1]) / 100
    else:
        try:
            value = float(share)
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"a share must be a number or a text such as 5%, but is {share!r}; give one of "
                "the two"
            ) from error
    if not (np.isfinite(value) and value >= 0):
        raise OptionError(
            f"a share must be finite and not negative, but is {share!r}; give one such as 5%"
        )
    return value
