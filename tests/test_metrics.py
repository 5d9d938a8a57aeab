"""Limits as people write them."""

from __future__ import annotations

import pytest

from hwprof.errors import OptionError
from hwprof.metrics import METRICS, parse_limit

LATENCY = METRICS["latency"]


@pytest.mark.parametrize(("text", "seconds"), [("15ms", 0.015), ("0.2 s", 0.2), ("800us", 8e-4)])
def test_latencies_with_units(text: str, seconds: float) -> None:
    assert parse_limit(text, LATENCY) == pytest.approx(seconds)


@pytest.mark.parametrize("wrong", ["15", "-1ms", "0ms", "fast", "1.2.3ms", "15J", ""])
def test_what_is_no_latency_is_refused(wrong: str) -> None:
    with pytest.raises(OptionError, match="15ms"):
        parse_limit(wrong, LATENCY)
