"""Inputs per second: the batch over the headline, and over the ends of its interval."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwprof.latency import Latency
from hwprof.measurement import Measurement
from hwprof.report.document import measurement_document
from hwprof.report.text import measurement_page
from hwprof.testing.examples import example_measurement
from hwprof.throughput import throughput

LATENCY = example_measurement(3).latency


def latency(headline_s: float, ci95_s: tuple[float, float] | None) -> Latency:
    return replace(LATENCY, headline_s=headline_s, p25_s=headline_s, ci95_s=ci95_s)


def of_batch(batch: int | None) -> Measurement:
    m = example_measurement(3)
    return replace(m, subject=replace(m.subject, batch=batch))


def test_it_is_the_batch_over_the_latency() -> None:
    made = throughput(latency(0.004, (0.002, 0.008)), 8)
    assert made is not None
    assert made.per_s == pytest.approx(2000)
    assert made.ci95_per_s == pytest.approx((1000, 4000))
    low, high = made.ci95_per_s or (0, 0)
    assert low < made.per_s < high


@pytest.mark.parametrize("batch", [None, 0])
def test_an_unknown_or_empty_batch_has_none(batch: int | None) -> None:
    assert throughput(LATENCY, batch) is None
    m = of_batch(batch)
    assert m.throughput is None
    assert measurement_document(m)["inputs_per_s"] is None
    assert measurement_document(m)["inputs_per_s_ci95"] is None
    assert "per second" not in measurement_page(m).plain()


@pytest.mark.parametrize("interval", [None, (0.0, 0.008)])
def test_it_has_no_interval_that_the_latency_does_not_bound(
    interval: tuple[float, float] | None,
) -> None:
    made = throughput(latency(0.004, interval), 2)
    assert made is not None
    assert made.ci95_per_s is None
    assert throughput(latency(0.0, None), 2) is None


def test_it_is_on_the_page_of_a_batch_of_several_and_always_in_json() -> None:
    one, eight = of_batch(1), of_batch(8)
    assert "per second" not in measurement_page(one).plain()
    assert measurement_document(one)["inputs_per_s"] == pytest.approx(1 / one.latency.headline_s)
    page = measurement_page(eight).plain()
    assert " inputs per second (" in page
    assert "batch of 8)" in page
    document = measurement_document(eight)
    assert document["inputs_per_s"] == pytest.approx(8 / eight.latency.headline_s)
    low, high = document["inputs_per_s_ci95"]
    assert low <= document["inputs_per_s"] <= high


def test_large_ones_are_written_out() -> None:
    m = of_batch(2_000_000)
    assert "e+" not in measurement_page(m).plain().partition("inputs per second")[0][-40:]
