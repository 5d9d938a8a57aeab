"""The laws that every energy meter keeps. Plugin authors run them against their own.

    from hwprof.testing.meters import check_meter
    check_meter(MyMeter)

Each law raises AssertionError with a sentence. Nothing here depends on a test framework.
"""

from __future__ import annotations

import math
from typing import get_args

from hwprof.errors import DeviceError
from hwprof.machine.availability import Availability
from hwprof.machine.host.roots import SYSTEM, Roots
from hwprof.machine.meters.base import Coverage, EnergyMeter
from hwprof.plugins import in_words
from hwprof.testing.devices import law, refusal

READS = 3


def check_class(kind: type[EnergyMeter]) -> None:
    """Laws of the class alone."""
    law(kind.covers in get_args(Coverage), f"covers is one of {', '.join(get_args(Coverage))}")
    law(isinstance(kind.automatic, bool), "automatic is True or False")


def check_absent(kind: type[EnergyMeter], roots: Roots, answer: Availability) -> None:
    """Laws of a meter that does not work here: it says why, and cannot be made."""
    law(bool(answer.reason), "a meter that is not available says why")
    law("\n" not in answer.reason + answer.fix, "a reason is one line, and so is its fix")

    def attempt() -> None:
        kind.create(roots).close()

    error = refusal(attempt, "create() of a meter that is not available", DeviceError)
    law(error is not None, "create() refuses with DeviceError where available() does")


def check_reading(meter: EnergyMeter) -> None:
    """Laws of a meter that works: it names itself, counts from zero, and never falls."""
    for what, text in (("name", meter.name), ("domain", meter.domain)):
        law(bool(text) and "\n" not in text, f"{what} is one line and not empty")
    period_s = meter.sample_period_s
    law(math.isfinite(period_s) and period_s > 0, "the sample period is finite and above zero")
    law(meter.longest_gap_s > 0, "the longest gap is above zero")
    last_j = 0.0
    for _ in range(READS):
        now_j = meter.read_j()
        law(math.isfinite(now_j), "a reading is a number of joules")
        law(now_j >= last_j, "joules start at zero and never fall")
        last_j = now_j


def check_closing(meter: EnergyMeter) -> None:
    """Law of the end of a meter: closing it again does nothing."""
    for _ in range(2):
        try:
            meter.close()
        except Exception as error:  # whatever a plugin raises
            raise AssertionError(
                f"a meter may be closed twice, and here it raises {in_words(error)}"
            ) from error


def check_meter(kind: type[EnergyMeter], roots: Roots = SYSTEM) -> Availability:
    """Every law, on this machine or on a folder shaped like one; returns what was available.

    A meter that is not available here keeps only the laws of refusing: run them where it works.
    """
    check_class(kind)
    answer = asked(kind, roots)
    law(asked(kind, roots) == answer, "available() answers the same twice")
    if not answer.ok:
        check_absent(kind, roots, answer)
        return answer
    law(answer.present, "what is available is present")
    meter = kind.create(roots)
    try:
        check_reading(meter)
    except BaseException:
        meter.close()
        raise
    check_closing(meter)
    return answer


def asked(kind: type[EnergyMeter], roots: Roots) -> Availability:
    """What `available` answers. Law: it raises nothing."""
    try:
        answer = kind.available(roots)
    except Exception as error:  # whatever a plugin raises
        raise AssertionError(f"available() raises nothing, not {in_words(error)}") from error
    law(isinstance(answer, Availability), "available() gives an Availability")
    return answer
