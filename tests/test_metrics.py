"""Costs as people write them, and as hwprof writes them back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.errors import OptionError
from hwprof.metrics import METRICS, metric_of, parse_limit


@pytest.mark.parametrize(
    ("text", "metric", "value"),
    [
        ("15ms", "latency", 0.015),
        ("2 us", "latency", 2e-6),
        ("800us", "latency", 8e-4),
        (0.2, "latency", 0.2),
        ("1e-3s", "latency", 1e-3),
        (".5mJ", "energy", 5e-4),
        ("3MB", "memory", 3e6),
        ("2MiB", "memory", 2.0**21),
        ("300MFLOPs", "flops", 3e8),
        ("300M", "flops", 3e8),
        ("5M", "parameters", 5e6),
        ("0.5", "accuracy loss", 0.5),
    ],
)
def test_limits_as_people_write_them(text, metric, value):
    assert parse_limit(text, metric_of(metric)) == pytest.approx(value)


@given(st.sampled_from(sorted(METRICS)), st.floats(1e-5, 1e12))
def test_shown_values_read_back(metric, value):
    found = METRICS[metric]
    assert parse_limit(found.show(value), found) == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("15", r"must look like 15ms \(units: s, ms, us, ns\), got '15'; write it so"),
        ("fast", "must look like 15ms"),
        ("1.2.3ms", "must look like 15ms"),
        ("2mJ", "units: s, ms"),
        ("-1ms", "positive and finite, but is '-1ms'; give one such as 15ms"),
        ("0ms", "positive and finite"),
        (float("inf"), "positive and finite"),
        ([1], "must be a number or a text such as 15ms"),
    ],
)
def test_what_is_no_limit(limit, sentence):
    with pytest.raises(OptionError, match=sentence) as error:
        parse_limit(limit, METRICS["latency"])
    assert "\n" not in str(error.value)
