"""What version 1 kept in words is told by fields, or stays in words: nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof.codec import CodecError, from_builtins, from_json
from hwprof.conditions import GpuConditions, GpuMoment, OutputAgreement
from hwprof.lut import version_1
from hwprof.lut.rows import canonical_json
from hwprof.measurement import Measurement, Provenance
from hwprof.testing.examples import example_measurement
from tests.lut import strategies

KEYS = [
    *("timing_overhead_s", "outputs", "per_op", "node_cost", "mapping"),
    *("gpu", "gpu_before", "gpu_after", "gpu_slowed", "note"),
]
OVERHEADS = st.floats(0, 1).map(lambda seconds: f"{seconds:.3g}")
SLOWED = st.builds(
    lambda seconds, reasons: ", ".join([f"power {seconds:.3f} s", *reasons]),
    st.floats(1e-3, 1e6),
    st.lists(st.sampled_from(["power cap", "hardware slowdown"]), unique=True),
)
# As they were written, nearly so, and anything at all.
WORDS = st.one_of(
    OVERHEADS,
    strategies.agreements.map(lambda agreement: agreement.text),
    strategies.moments.map(lambda moment: moment.text),
    SLOWED,
    st.sampled_from(["NVIDIA H200 GPU-12ab", "GPU-1", "MIG-1 x", "inf", "1e999", " GPU-1", " "]),
    strategies.texts,
)


def lifted(details: dict[str, str], profiled: bool) -> tuple[Measurement, Provenance]:
    examples = map(example_measurement, range(50))
    base = next(m for m in examples if (m.profile is not None) == profiled)
    content = from_json(canonical_json(base), dict)
    for name in ("timing_overhead_s", "outputs", "gpu", "legacy_notes"):
        del content["provenance"][name]
    del content["profile_reason"]
    content["provenance"]["details"] = details
    for restart in content["restarts"]:
        restart["basis"] = "wall, clean"
    found = from_builtins(version_1.lift_measurement(content), Measurement)
    assert found.restarts == base.restarts
    return found, found.provenance


def retold(measurement: Measurement, key: str) -> str | None:
    """One detail, in the words of version 1."""
    provenance, profile = measurement.provenance, measurement.profile
    if key in provenance.legacy_notes:
        return provenance.legacy_notes[key]
    overhead, outputs, gpu = provenance.timing_overhead_s, provenance.outputs, provenance.gpu
    match key:
        case "timing_overhead_s":
            return None if overhead is None else f"{overhead:.3g}"
        case "outputs":
            return None if outputs is None else outputs.text
        case "per_op":
            return measurement.profile_reason
        case "node_cost":
            return None if profile is None else profile.node_cost_reason
        case "mapping":
            return None if profile is None else profile.mapping
        case "gpu":
            return None if gpu is None else " ".join(filter(None, (gpu.name, gpu.uuid)))
        case "gpu_before":
            return None if gpu is None else gpu.before.text
        case "gpu_after":
            return None if gpu is None else gpu.after.text
        case "gpu_slowed":
            return None if gpu is None else gpu.slowed
    return None


def parts(words: str | None) -> list[str] | None:
    return None if words is None else sorted(words.split(", "))


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS) | strategies.texts, WORDS), st.booleans())
def test_no_word_is_lost(details: dict[str, str], profiled: bool) -> None:
    measurement, _ = lifted(details, profiled)
    for key, words in details.items():
        # What slowed a GPU down has no order.
        assert parts(retold(measurement, key)) == parts(words)


@given(st.floats(0, 1), strategies.texts)
def test_what_version_1_wrote_needs_no_notes(overhead_s: float, mapping: str) -> None:
    moment = GpuMoment(1.98e9, 2.619e9, 54.0, 310.0, 700.0, ("power cap", "reason 0x1000"))
    agreement = OutputAgreement("eager PyTorch", "fp16", 0.0012, 0.03)
    _, provenance = lifted(
        {
            "timing_overhead_s": f"{overhead_s:.3g}",
            "outputs": agreement.text,
            "gpu": "NVIDIA GeForce RTX 4090 GPU-12ab-34",
            "gpu_before": moment.text,
            "gpu_after": GpuMoment(temperature_c=60.0).text,
            "gpu_slowed": "power 0.250 s, heat 0.125 s, power cap",
            "mapping": mapping,
        },
        True,
    )
    assert provenance.timing_overhead_s == pytest.approx(overhead_s, rel=5e-3)
    assert provenance.outputs == agreement
    assert provenance.gpu == GpuConditions(
        "NVIDIA GeForce RTX 4090",
        "GPU-12ab-34",
        moment,
        GpuMoment(temperature_c=60.0),
        {"power": 0.25, "heat": 0.125},
        ("power cap",),
    )
    assert provenance.legacy_notes == {}


def test_an_infinite_difference_becomes_a_reason() -> None:
    _, provenance = lifted({"outputs": "within inf of ONNX Runtime's, not judged at int8"}, False)
    assert provenance.outputs is not None
    assert (provenance.outputs.error, provenance.outputs.precision) == (None, "int8")
    assert "different places" in provenance.outputs.reason
    assert provenance.legacy_notes == {}


def test_reasons_of_a_profile_that_is_not_there_stay_notes() -> None:
    measurement, provenance = lifted({"mapping": "by name", "per_op": "it has none"}, False)
    assert measurement.profile_reason == "it has none"
    assert provenance.legacy_notes == {"mapping": "by name"}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"provenance": [], "restarts": []},
        {"provenance": {"details": {"a": 1}}, "restarts": []},
        {"provenance": {"details": []}, "restarts": []},
        {"provenance": {}, "restarts": [1]},
        {"provenance": {}, "restarts": [], "profile": 3},
    ],
)
def test_what_version_1_did_not_write_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        version_1.lift_measurement(content)


@given(strategies.agreements | strategies.moments)
def test_texts_are_one_line_of_what_is_known(fact: OutputAgreement | GpuMoment) -> None:
    assert fact.text


def test_an_agreement_is_a_figure_or_a_reason() -> None:
    for wrong in ({}, {"error": 0.1, "reason": "none"}):
        with pytest.raises(ValueError, match="or the reason"):
            OutputAgreement("ONNX Runtime", "fp32", **wrong)  # type: ignore[arg-type]
