"""What a report says of kernels and memory, held against sums made another way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwprof.measurement import Measurement, Memory
from hwprof.profile import Profile
from hwprof.report.document import kernel_documents, measurement_document
from hwprof.report.facts import by_op, kernel_groups, memory_text, per_op_reason, unknown_ops
from hwprof.report.text import measurement_page
from hwprof.testing.examples import example_measurement


def with_profile() -> list[tuple[Measurement, Profile]]:
    found = [example_measurement(seed) for seed in range(40)]
    return [(m, m.profile) for m in found if m.profile is not None]


def test_groups_hold_every_occurrence_once_and_their_latencies_add_up() -> None:
    for _, profile in with_profile():
        groups = kernel_groups(profile)
        assert [o for g in groups for o in g.occurrences] == sorted(
            profile.occurrences,
            key=lambda o: [g.kernel.key for g in groups].index(o.kernel.key),
        )
        assert len({g.kernel.key for g in groups}) == len(groups)
        for group in groups:
            known = [profile.latency_s(o) for o in group.occurrences]
            if group.latency_s is None:
                # Of a branch not taken, or without the profiler's own cost.
                assert group.calls == 0 or None in known
            else:
                sums = sum(seconds for seconds in known if seconds is not None)
                assert group.calls * group.latency_s == pytest.approx(sums)


def test_operators_come_dearest_first_and_add_up() -> None:
    for _, profile in with_profile():
        totals = by_op(profile)
        assert sum(t.count for t in totals) == len(profile.occurrences)
        assert [t.seconds for t in totals] == sorted((t.seconds for t in totals), reverse=True)
        if profile.total_s() is not None:
            assert sum(t.seconds for t in totals) == pytest.approx(profile.total_s())


def test_an_operator_of_unknown_flops_is_named_and_has_none() -> None:
    _, profile = with_profile()[0]
    first = profile.occurrences[0]
    strange = replace(first, kernel=replace(first.kernel, op="Frobnicate", domain="my.own"))
    changed = replace(profile, occurrences=(strange, *profile.occurrences[1:]))
    assert "Frobnicate" in unknown_ops(changed)
    (total,) = [t for t in by_op(changed) if t.op == "Frobnicate"]
    assert total.flops is None
    assert unknown_ops(None) == []


def test_without_a_profile_there_is_a_reason_and_no_kernel() -> None:
    measurement = replace(example_measurement(0), profile=None)
    assert per_op_reason(replace(measurement, plan={"per_op": False})) == "per-op was not asked for"
    assert per_op_reason(replace(measurement, plan={"per_op": True}))
    assert kernel_groups(None) == kernel_documents(None) == []


def test_text_and_document_tell_the_same_operators() -> None:
    for measurement, profile in with_profile():
        if per_op_reason(measurement):
            continue
        text = measurement_page(measurement).plain()
        document = measurement_document(measurement)
        assert document["unknown_ops"] == unknown_ops(profile)
        if document["unknown_ops"]:
            assert ", ".join(document["unknown_ops"]) in text
        assert f"({len(document['kernels'])} distinct)" in text


def test_an_absent_peak_is_told_with_its_reason() -> None:
    memory = Memory(weights_bytes=3 << 20, absent={"peak_rss_bytes": "no /proc here"})
    measurement = replace(example_measurement(0), memory=memory)
    assert memory_text(measurement) == "peak absent: no /proc here, weights 3.0 MiB"
    assert "memory   peak absent: no /proc here, weights 3.0 MiB" in (
        measurement_page(measurement).plain()
    )
