"""Hard cases for few-shot predictors: what they must keep where a new device is unlike the pool.

    from hwprof.testing.adversarial import check_adversarial
    check_adversarial(MyPredictor.fit)

A case is a synthetic pool, some devices outside it, a rule which architectures are measured on
them, and what the predictor owes: an interval that covers, or a warning; an order at least as good
as simple answers give; and in every row positive, finite, ordered figures. Nothing here depends on
a test framework, and nothing is random: a case is the same on every machine, to rounding.
"""

from hwprof.testing.adversarial.case import SEEDS, Case, Measuring
from hwprof.testing.adversarial.outcome import Outcome
from hwprof.testing.adversarial.running import Fit, check_adversarial, run_case, run_cases
from hwprof.testing.adversarial.suite import cases, quick_cases

__all__ = [
    "SEEDS",
    "Case",
    "Fit",
    "Measuring",
    "Outcome",
    "cases",
    "check_adversarial",
    "quick_cases",
    "run_case",
    "run_cases",
]
