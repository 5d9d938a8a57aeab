"""Made-up inputs are what the model can use, or the record says what they decide."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hwprof.errors import HwprofError
from hwprof.measurement import Values, WarningCode
from hwprof.models.inputs import feed_of
from tests.cases.conftest import Measure, assert_same, plain
from tests.models_of_reports import valued
from tests.models_of_reports.reports import BY_NAME, REPORTS
from tests.models_of_reports.watching import Watched

SIMPLE = [r.name for r in REPORTS if not r.warns and not r.asks]
DECIDING = {
    "padded_lstm": "lengths",
    "steps": "max_length",
    "voice_detector": "sr",
    "mask_decoder": "orig_im_size",
    "embedding_bags": "offsets",
}
# What nearly every user means is known: whole sequences, bags of one size. For the others no value
# is more likely than another.
USUAL = ("padded_lstm", "embedding_bags")


@pytest.mark.parametrize("name", SIMPLE)
def test_what_values_do_not_decide_runs_without_a_word(name: str, measure: Measure) -> None:
    report = BY_NAME[name]
    model = report.build()
    measured, watched = measure(model, shapes=report.shapes)
    assert watched.model is not None
    assert_same(watched.outputs, plain(model, feed_of(watched.model)))
    assert not measured.warned(WarningCode.VALUES_DECIDE)
    assert not measured.warned(WarningCode.BRANCH_NEVER_RAN)
    assert all(v.origin == "made up" and not v.sha256 for v in measured.subject.values)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("token_types", {"input_ids": f"0..{valued.WORDS - 1}", "token_type_ids": "0"}),
        ("vocabulary", {"ids": f"0..{valued.VOCABULARY - 1}"}),
        ("empty_cache", {"input_ids": "0..499"}),
    ],
)
def test_ids_are_spread_over_the_rows_of_their_table(
    name: str, texts: dict[str, str], measure: Measure
) -> None:
    report = BY_NAME[name]
    measured, _ = measure(report.build(), shapes=report.shapes)
    values = {v.name: v.text for v in measured.subject.values}
    assert {n: values.get(n) for n in texts} == texts


def test_lengths_are_those_of_whole_sequences(measure: Measure) -> None:
    report = BY_NAME["padded_lstm"]
    _, watched = measure(report.build(), shapes=report.shapes)
    assert watched.model is not None
    assert (feed_of(watched.model)["lengths"] == valued.TIME).all()


@pytest.mark.parametrize("name", DECIDING)
def test_what_values_decide_is_warned_of_or_asked_about(name: str, measure: Measure) -> None:
    report, deciding = BY_NAME[name], DECIDING[name]
    refused = ""
    try:
        measured, _ = measure(report.build(), shapes=report.shapes)
    except HwprofError as error:
        refused = str(error)
    if refused:
        assert report.asks == deciding
        assert f"--input {deciding}=" in refused
        assert "check the --shape" not in refused
        return
    values = one(measured.subject.values, deciding)
    assert values.origin == "made up"
    assert values.decides
    if name in USUAL:
        return
    (message,) = (w.message for w in measured.warnings if w.code is WarningCode.VALUES_DECIDE)
    assert deciding in message
    assert "--input" in message


def test_a_branch_that_never_ran_is_told(measure: Measure) -> None:
    measured, _ = measure(valued.early_exit())
    told = {w.code: w.message for w in measured.warnings}
    assert told.keys() & {WarningCode.BRANCH_NEVER_RAN, WarningCode.VALUES_DECIDE}
    assert any("exit" in message for message in told.values())


def test_the_loop_that_an_input_repeats_is_named(measure: Measure) -> None:
    measured, _ = measure(valued.steps(), inputs={"max_length": "3"})
    values = one(measured.subject.values, "max_length")
    assert "generate" in values.decides
    # What is given is as it should be.
    assert not measured.warned(WarningCode.VALUES_DECIDE)


def test_usual_values_leave_a_subjects_identity_as_it_was(measure: Measure) -> None:
    for name in ("usual_weights", "growing_cache", "baked_steps"):
        measured, _ = measure(BY_NAME[name].build())
        assert "@" not in measured.subject.key
    report = BY_NAME["token_types"]
    with_ids, _ = measure(report.build(), shapes=report.shapes)
    assert "@" in with_ids.subject.key


def test_values_that_fail_are_not_blamed_on_shapes(refusal: Callable[..., str]) -> None:
    report = BY_NAME["token_types"]
    text = refusal(report.build(), inputs={"token_type_ids": "1"}, shapes=report.shapes)
    assert "'type'" in text
    assert "--input" in text
    assert "check the --shape" not in text


def one(values: tuple[Values, ...], name: str) -> Values:
    (found,) = (v for v in values if v.name == name)
    return found


def test_a_watched_target_is_the_device_itself() -> None:
    assert Watched().spec.name == "onnxruntime-cpu"
