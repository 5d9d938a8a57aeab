"""Limits as people write them."""

from __future__ import annotations

import pytest

from hwprof.errors import OptionError
from hwprof.metrics import METRICS, Metric, check_metric, metric_of, parse_limit, parse_share

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


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_metric_has_one_base_unit_and_is_sound(metric: Metric) -> None:
    assert check_metric(metric) is metric
    assert check_metric(metric.name) is metric
    assert metric.units[metric.unit] == 1
    assert parse_limit(metric.example, metric) > 0
    assert len({metric, metric}) == 1


@pytest.mark.parametrize(
    ("name", "unit", "words"),
    [
        ("latency", "s", "seconds"),
        ("energy", "J", "joules"),
        ("peak_memory", "B", "bytes"),
        ("flops", "", "plain numbers"),
        ("accuracy_loss", "", "plain numbers"),
    ],
)
def test_base_units_in_sentences(name: str, unit: str, words: str) -> None:
    metric = metric_of(name)
    assert (metric.unit, metric.words) == (unit, words)


def test_values_compare_where_name_and_units_do() -> None:
    grams = Metric("carbon", {"g": 1.0}, "2g")
    assert grams.is_same(Metric("carbon", {"g": 1.0}, "5g"))
    assert not grams.is_same(Metric("carbon", {"kg": 1.0}, "5kg"))
    assert not METRICS["memory"].is_same(METRICS["peak_memory"])


@pytest.mark.parametrize(("value", "unit"), [(2e-3, "mJ"), (3.0, "J"), (1e-9, "uJ"), (5e4, "kJ")])
def test_a_value_is_shown_in_the_largest_unit_that_fits(value: float, unit: str) -> None:
    assert METRICS["energy"].shown_in(value) == unit
