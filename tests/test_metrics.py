"""Limits as people write them."""

from __future__ import annotations

import pytest

from hwprof.errors import OptionError
from hwprof.metrics import METRICS, parse_limit, parse_share

LATENCY = METRICS["latency"]


@pytest.mark.parametrize(("text", "seconds"), [("15ms", 0.015), ("0.2 s", 0.2), ("800us", 8e-4)])
def test_latencies_with_units(text: str, seconds: float) -> None:
    assert parse_limit(text, LATENCY) == pytest.approx(seconds)


@pytest.mark.parametrize("wrong", ["15", "-1ms", "0ms", "fast", "1.2.3ms", "15J", ""])
def test_what_is_no_latency_is_refused(wrong: str) -> None:
    with pytest.raises(OptionError, match="15ms"):
        parse_limit(wrong, LATENCY)


@pytest.mark.parametrize(
    ("text", "share"), [("5%", 0.05), (" 0.5 % ", 0.005), ("0%", 0.0), (0.05, 0.05), ("150%", 1.5)]
)
def test_shares_in_percent(text: float | str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("wrong", ["5", "0.05", "%", "five%", "-5%", "5%%", "1e999%", "", -0.1])
def test_what_is_no_share_is_refused(wrong: float | str) -> None:
    with pytest.raises(OptionError, match="5%"):
        parse_share(wrong)
