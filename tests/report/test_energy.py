"""Energy is never just energy: every figure says whether it is gross or net."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwprof.measurement import Energy, EnergyReading, Measurement
from hwprof.report.document import measurement_document
from hwprof.report.facts import per_op_reason
from hwprof.report.listing import table_page
from hwprof.report.text import measurement_page
from hwprof.testing.examples import example_measurement

READING = EnergyReading("rapl", "package-0 [x]", 10, 2.0, 50.0, 1.0, 10.0, 0.001)


@pytest.fixture
def measured() -> Measurement:
    return replace(example_measurement(2), energy=Energy(READING), warnings=())


@pytest.fixture
def unmeasured() -> Measurement:
    return replace(example_measurement(2), energy=Energy(reason="no sensor"), warnings=())


def test_the_document_has_both(measured: Measurement, unmeasured: Measurement) -> None:
    found = measurement_document(measured)
    assert (found["energy_gross_j"], found["energy_net_j"]) == (5.0, 3.0)
    none = measurement_document(unmeasured)
    assert (none["energy_gross_j"], none["energy_net_j"]) == (None, None)
    assert none["energy_reason"] == "no sensor"
    assert "energy_j" not in found


def test_the_terminal_has_both(measured: Measurement, unmeasured: Measurement) -> None:
    out = measurement_page(measured).plain() + measurement_page(unmeasured).plain()
    assert "energy   5 J gross, 3 J net of idle, per run (rapl, package-0 [x])" in out
    assert "energy   absent: no sensor" in out
    page, _ = table_page([measured, unmeasured], [])
    head, *lines = page.plain(500).splitlines()
    assert "gross J" in head
    assert "net J" in head
    assert [line.split().count("absent") for line in lines] == [0, 2]


def test_reasons_come_from_the_record() -> None:
    asked = replace(example_measurement(2), plan={"per_op": True})
    assert per_op_reason(replace(asked, profile=None)) == "the record holds no profile"
    absent = replace(asked, profile=None, profile_reason="this runtime has none; use another")
    assert per_op_reason(absent) == "this runtime has none; use another"
    assert asked.profile is not None
    unknown = replace(asked.profile, node_cost_s=None, node_cost_reason="the chains do not run")
    assert per_op_reason(replace(asked, profile=unknown)) == "the chains do not run"
    assert per_op_reason(replace(asked, plan={}, profile=None)) == "per-op was not asked for"
