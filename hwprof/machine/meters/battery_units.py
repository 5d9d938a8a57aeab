"""What unit a battery's figures are in.

The kernel's rule (Documentation/ABI/testing/sysfs-class-power) is uA, uV, uW, uAh and uWh. Some
vendors' drivers give thousandths instead of millionths. A figure is taken in the one unit in which
it is plausible for a running computer; the bands below are too narrow for both to be, and where
neither is, the answer is None.
"""

from __future__ import annotations

from dataclasses import dataclass

MICRO, MILLI = 1e-6, 1e-3
# A cell has 2.5 to 4.5 V; a pack of a computer has at most twelve in series.
_VOLTS = (2.0, 60.0)
_ONE_CELL_V = 5.0
# Watts that a computer with its processor awake draws: a phone or tablet on one cell, or a laptop.
# Each band spans less than a factor of a thousand, which is what tells the units apart.
_ONE_CELL_W = (0.2, 40.0)
_PACK_W = (0.5, 250.0)
# Capacities, of an earphone's case to the largest that may be carried onto an aeroplane and more.
_WATT_HOURS = (1.0, 500.0)
_AMPERE_HOURS = (0.1, 99.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """What one count of a file is worth, and whether that is the kernel's rule."""

    factor: float
    """Volts, amperes, watts, ampere-hours or watt-hours per count."""

    @property
    def regular(self) -> bool:
        return self.factor == MICRO


def _pick(figure: float, low: float, high: float) -> Scale | None:
    fitting = [Scale(factor) for factor in (MICRO, MILLI) if low <= figure * factor <= high]
    return fitting[0] if len(fitting) == 1 else None


def voltage_scale(count: int) -> Scale | None:
    """Scale of `voltage_now`."""
    return _pick(count, *_VOLTS)


def _watts(volts: float | None) -> tuple[float, float]:
    """What a computer draws from a battery of this voltage; a pack where none is known."""
    return _ONE_CELL_W if volts is not None and volts < _ONE_CELL_V else _PACK_W


def most_watts(volts: float | None) -> float:
    """The most that a computer on a battery of this voltage plausibly draws."""
    return _watts(volts)[1]


def current_scale(count: int, volts: float) -> Scale | None:
    """Scale of `current_now`, of either sign."""
    return _pick(abs(count) * volts, *_watts(volts))


def power_scale(count: int, volts: float | None) -> Scale | None:
    """Scale of `power_now`, of either sign."""
    return _pick(abs(count), *_watts(volts))


def energy_scale(full: int) -> Scale | None:
    """Scale of `energy_now`, from the battery's full energy."""
    return _pick(full, *_WATT_HOURS)


def charge_scale(full: int) -> Scale | None:
    """Scale of `charge_now` and `charge_counter`, from the battery's full charge."""
    return _pick(full, *_AMPERE_HOURS)
