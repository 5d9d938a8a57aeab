"""What came of a case: figures over its runs, and what of it is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hwprof.testing.adversarial.case import Case


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Means over the runs of a case, one per seed and new device. Figures are None where every
    run was refused."""

    case: Case
    runs: int
    coverage: float | None
    """Share of the latencies that nominal 90 % intervals hold."""
    honest: float | None
    """The same where a run that warned, if the case excuses it, counts as covering what is
    required at least."""
    worst_coverage: float | None
    """Of the least covered device, mean over seeds."""
    spearman: float | None
    """Correlation with the noise-free latencies of the architectures that were not measured."""
    median_ape: float | None
    """Median absolute relative error, 0.1 for 10 %."""
    width: float | None
    """Median width of the 90 % intervals relative to the latency."""
    warned: float
    """Share of the runs in which the predictor warned."""
    refused: float
    """Share of the runs that it refused, at fitting or at adapting."""
    breaches: tuple[str, ...] = ()
    """Invariants that do not hold, a sentence each: what, and in how many runs."""
    warnings: tuple[str, ...] = ()
    """The predictor's warnings, each once."""
    refusals: tuple[str, ...] = ()
    """Messages of errors that it raised on purpose, each once."""

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong, a clause each; empty where the row is kept."""
        found = list(self.breaches)
        if self.refusals:
            count = round(self.refused * self.runs)
            found.append(f"refuses {count} of {self.runs} runs ({self.refusals[0]})")
        case = self.case
        if self.honest is not None and self.honest < case.required_coverage:
            found.append(
                f"covers {self.coverage:.3f} where {case.required_coverage:.3f} is required"
                f"{' or a warning' if case.excusable else ''}"
            )
        if self.spearman is not None and self.spearman < case.required_rank:
            found.append(f"ranks {self.spearman:.3f} where {case.required_rank:.3f} is required")
        limit = case.required_error
        if limit is not None and self.median_ape is not None and self.median_ape > limit:
            found.append(f"errs by {self.median_ape:.1%} where {limit:.1%} is allowed")
        return tuple(found)

    @property
    def kept(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """For JSON: figures to four digits, and what was required."""
        figures = ("coverage", "honest", "worst_coverage", "spearman", "median_ape", "width")
        return {
            "case": self.case.name,
            "runs": self.runs,
            **{name: _rounded(getattr(self, name)) for name in figures},
            "warned": _rounded(self.warned),
            "refused": _rounded(self.refused),
            "required_coverage": _rounded(self.case.required_coverage),
            "required_rank": _rounded(self.case.required_rank),
            "required_error": _rounded(self.case.required_error),
            "kept": self.kept,
            "faults": list(self.faults),
            "breaches": list(self.breaches),
            "warnings": list(self.warnings),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
