"""What can be chosen about HELP, with the published values as defaults."""

from __future__ import annotations

from dataclasses import dataclass

from hwprof.errors import OptionError

# Reference architectures of the published experiments, as rows of the published data.
PUBLISHED_REFERENCES = {
    "nasbench201": (11982, 431, 55, 9, 14451, 8636, 9881, 13479, 6196, 1462),
    "fbnet": (3328, 3790, 3313, 890, 3052, 2538, 1640, 2514, 457, 2100),
}


@dataclass(frozen=True, slots=True)
class HelpOptions:
    """Settings of HELP. Raises OptionError for a value that cannot be used.

    Defaults are those of the published fbnet experiment. The published nasbench201 experiment stops
    after 2,000 episodes, where the score on validation devices still rises.
    """

    references: tuple[int, ...] | None = None
    """Rows whose latencies are the hardware embedding; None draws `reference_count` of them."""
    validation: tuple[str, ...] = ()
    """Pool devices kept out of training, on which the best state is chosen. Without any, the
    training devices choose."""
    episodes: int = 4000
    reference_count: int = 10
    tasks: int = 8
    """Devices per episode."""
    samples: int = 10
    """Architectures the inner loop adapts to."""
    queries: int = 200
    """Architectures the adapted network is judged on, per device and episode."""
    width: int = 100
    inner_steps: int = 2
    inner_rate: float = 1e-3
    """Where the learned rates of the inner loop start."""
    meta_rate: float = 1e-4
    z_scale: float = 0.01
    kl_scale: float = 0.1
    draws: int = 10
    """Samples of z whose predictions are averaged."""
    check_every: int = 50
    """Episodes between two looks at the validation devices."""
    fall_back: bool = True
    """Hand over to the NNLS mixture when training has learned less than the pool's mean knows."""

    def __post_init__(self) -> None:
        for name in ("episodes", "reference_count", "tasks", "samples", "queries", "width"):
            self._at_least(name, 1)
        for name in ("inner_steps", "draws", "check_every"):
            self._at_least(name, 1)
        for name in ("inner_rate", "meta_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise OptionError(
                    f"{name} must be positive and finite, but is {getattr(self, name)}; "
                    f"use the default {type(self).__dataclass_fields__[name].default}"
                )
        for name in ("z_scale", "kl_scale"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise OptionError(
                    f"{name} must not be negative, but is {getattr(self, name)}; use 0 to turn "
                    "it off"
                )
        if self.references is not None and len(self.references) < 2:
            raise OptionError(
                f"references must name at least 2 rows, but has {len(self.references)}; "
                "10 are usual"
            )
        if self.references is not None and len(set(self.references)) < len(self.references):
            raise OptionError("references repeats a row; name each of them once")

    def _at_least(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise OptionError(f"{name} must be an integer from {least} up, but is {value!r}")
