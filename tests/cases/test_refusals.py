"""Shapes, operators, values that are no tensors and names: measured, or told why not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import onnx
import pytest

from hwprof.measurement import Measurement
from hwprof.models.inputs import feed_of
from hwprof.report.document import json_text, measurement_document
from hwprof.report.text import measurement_page
from tests.cases.conftest import Measure, assert_same, plain
from tests.models_of_reports import element_types, foreign, shapes
from tests.models_of_reports import plain as plain_models

EVERYDAY: Mapping[str, onnx.ModelProto] = {**plain_models.layers(), **plain_models.constants_only()}


def printed(measured: Measurement) -> str:
    return measurement_page(measured).plain()


@pytest.mark.parametrize("name", EVERYDAY)
def test_everyday_layers_run_as_they_do_elsewhere(name: str, measure: Measure) -> None:
    measured, watched = measure(EVERYDAY[name])
    assert measured.latency.headline_s > 0
    assert watched.model is not None
    if name != "no_input":  # its output is noise
        assert_same(watched.outputs, plain(EVERYDAY[name], feed_of(watched.model)))


@pytest.mark.parametrize("version", [5, 6, 8, 9, 12, 17, 26])
def test_old_and_new_operator_sets_run(version: int, measure: Measure) -> None:
    assert measure(plain_models.of_opset(version))[0].latency.headline_s > 0


def test_an_operator_set_of_the_future_is_named(refusal: Callable[..., str]) -> None:
    assert "opset 27" in refusal(plain_models.of_opset(27))


def test_time_is_not_taken_for_the_batch(measure: Measure, refusal: Callable[..., str]) -> None:
    assert "'time'" in refusal(shapes.time_first(), batch=4)
    assert "batch" in refusal(shapes.time_first_batch_one(), batch=4)
    measured, _ = measure(shapes.time_first(), shapes={"x": (20, 4, shapes.F)})
    assert [t.shape for t in measured.subject.inputs] == [(20, 4, shapes.F), (1, 4, shapes.H)]
    assert measured.subject.batch == 4


@pytest.mark.parametrize("placeholder", ["-1", "None"])
def test_a_placeholder_is_no_symbol(placeholder: str, measure: Measure) -> None:
    measured, _ = measure(shapes.one_symbol(placeholder), shapes={"x": (1, 3, 48, 320)})
    assert measured.subject.inputs[0].shape == (1, 3, 48, 320)


def test_a_state_that_stayed_fixed_is_named(refusal: Callable[..., str]) -> None:
    text = refusal(shapes.fixed_state(), shapes={"x": (10, 4, shapes.F)})
    assert "initial_h" in text or "'state'" in text


def test_open_and_stale_output_shapes_do_not_matter(measure: Measure) -> None:
    _, watched = measure(shapes.open_batch(), batch=2)
    assert watched.outputs is not None
    assert watched.outputs[0].shape == (2, 16, 200)
    _, watched = measure(shapes.stale_shapes(), shapes={"x": (1, 3, 32, 32)})
    assert watched.outputs is not None
    assert watched.outputs[0].shape == (1, 8 * 30 * 30)


@pytest.mark.parametrize("name", foreign.operators())
def test_an_operator_runs_or_is_named(
    name: str, measure: Measure, refusal: Callable[..., str]
) -> None:
    model = foreign.operators()[name]
    if name in foreign.UNKNOWN:
        assert foreign.UNKNOWN[name] in refusal(model)
    else:
        measure(model)


@pytest.mark.parametrize("name", ["inside", "mapped", "sequence_out", "strings_out"])
def test_sequences_and_words_inside_are_no_matter(name: str, measure: Measure) -> None:
    assert measure(foreign.sequences()[name])[0].latency.headline_s > 0


@pytest.mark.parametrize("name", ["labels_and_maps", "plain_scores"])
def test_classical_models_run(name: str, measure: Measure) -> None:
    assert measure(foreign.classical()[name], batch=2)[0].latency.headline_s > 0


@pytest.mark.parametrize(("name", "word"), [("text", "'text'"), ("columns", "'city'")])
def test_words_are_asked_for(name: str, word: str, refusal: Callable[..., str]) -> None:
    text = refusal(foreign.classical()[name], **({"batch": 2} if name == "columns" else {}))
    assert word in text
    assert "--input" in text


@pytest.mark.parametrize("name", ["bf16", "int4_input", "uint4_output"])
def test_a_type_that_the_runtime_lacks_is_not_blamed_on_shapes(
    name: str, refusal: Callable[..., str]
) -> None:
    assert "--shape" not in refusal(element_types.by_type()[name])


@pytest.mark.parametrize("name", ["fp16", "double", "uint8_input", "int4_weights", "4_bit_product"])
def test_other_types_run_as_they_do_elsewhere(name: str, measure: Measure) -> None:
    model = element_types.by_type()[name]
    _, watched = measure(model)
    assert watched.model is not None
    assert_same(watched.outputs, plain(model, feed_of(watched.model)))


def test_names_are_shown_and_not_obeyed(measure: Measure) -> None:
    for model, options in (
        (plain_models.commanding(), {}),
        (plain_models.oddly_named(), {"batch": 8}),
    ):
        measured, _ = measure(model, **options)
        for text in (printed(measured), json_text(measurement_document(measured))):
            assert all(c.isprintable() or c == "\n" for c in text)
        document = json.loads(json_text(measurement_document(measured)))
        assert document["inputs"][0]["name"] == model.graph.input[0].name
