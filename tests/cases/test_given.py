"""Inputs that are given are the ones that run, and the record says what they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hwprof.cli.app import run
from hwprof.models.inputs import Recipe
from tests.cases.conftest import Measure, assert_same, plain
from tests.models_of_reports import valued
from tests.models_of_reports.reports import BY_NAME, REPORTS, Report

NAMES = [report.name for report in REPORTS]
WITH_TEXTS = [report.name for report in REPORTS if report.texts]


@pytest.mark.parametrize("name", NAMES)
def test_arrays_that_are_given_run(name: str, measure: Measure) -> None:
    report = BY_NAME[name]
    model, feed = report.build(), report.feed()
    measured, watched = measure(model, inputs=feed)
    assert_same(watched.outputs, plain(model, feed))
    assert {t.name: t.shape for t in measured.subject.inputs} == {
        n: array.shape for n, array in feed.items()
    }
    values = {v.name: v for v in measured.subject.values}
    assert values.keys() == feed.keys()
    assert all(v.origin == "given" and len(v.sha256) == 64 for v in values.values())


@pytest.mark.parametrize("name", WITH_TEXTS)
def test_texts_give_what_they_say(name: str, measure: Measure) -> None:
    report = BY_NAME[name]
    model = report.build()
    mixed = {n: report.texts.get(n, array) for n, array in report.feed().items()}
    measured, watched = measure(model, inputs=mixed, shapes=report.shapes)
    specs = {t.name: t for t in measured.subject.inputs}
    feed = {
        n: Recipe.parse(each).array(specs[n]) if isinstance(each, str) else each
        for n, each in mixed.items()
    }
    assert_same(watched.outputs, plain(model, feed))
    for v in measured.subject.values:
        assert v.origin == "given"
        if v.name in report.texts:
            assert (Recipe.parse(v.text).text, v.sha256) == (v.text, "")


def test_other_values_are_another_subject(measure: Measure) -> None:
    model, x = valued.steps(), np.zeros((1, valued.STEPS_WIDTH), np.float32)
    keys = []
    for steps in ("3", "5", np.array(5), np.array(5)):
        measured, _ = measure(model, inputs={"x": x.copy(), "max_length": steps})
        keys.append(measured.subject.key)
    assert len(set(keys)) == 3
    assert keys[2] == keys[3]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"nothing": "1"}, "'nothing'"),
        ({"max_length": "many"}, "'many'"),
        ({"max_length": "1.5"}, "'max_length'"),
        ({"max_length": np.array([1, 2])}, "'max_length'"),
        ({"max_length": np.array(1.0)}, "'max_length'"),
        ({"x": np.zeros((1, 3), np.float32)}, "'x'"),
        ({"x": np.full((1, valued.STEPS_WIDTH), "a")}, "'x'"),
        ({"x": object()}, "'x'"),
        ({"max_length": "nowhere.npy"}, "nowhere.npy"),
    ],
)
def test_what_does_not_fit_is_refused(
    inputs: dict[str, Any], says: str, refusal: Callable[..., str]
) -> None:
    assert says in refusal(valued.steps(), inputs={"max_length": "2", **inputs})


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Report, Path]:
    report = BY_NAME["padded_lstm"]
    path = tmp_path / "model.onnx"
    onnx.save(report.build(), str(path))
    return report, path


def npy_options(report: Report, folder: Path) -> list[str]:
    """`--input` twice: a text, and a file."""
    np.save(folder / "x.npy", report.feed()["x"])
    return ["--input", f"x={folder / 'x.npy'}", "--input", f"lengths={report.texts['lengths']}"]


def npz_options(report: Report, folder: Path) -> list[str]:
    np.savez(folder / "all.npz", **report.feed())
    return ["--inputs", str(folder / "all.npz")]


def folder_options(report: Report, folder: Path) -> list[str]:
    """A data set in the form that model zoos have."""
    data = folder / "test_data_set_0"
    data.mkdir()
    for i, (name, array) in enumerate(report.feed().items()):
        content = numpy_helper.from_array(array, name).SerializeToString()
        (data / f"input_{i}.pb").write_bytes(content)
    return ["--inputs", str(data)]


@pytest.mark.parametrize("options", [npy_options, npz_options, folder_options])
def test_the_command_line_takes_them(
    options: Callable[[Report, Path], list[str]],
    stored: tuple[Report, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report, path = stored
    quick = ["--budget", "0.05", "--precision", "0.5", "--no-per-op", "--json"]
    table = ["--lut", str(tmp_path / "t.db")]
    code = run(["measure", str(path), *options(report, tmp_path), *quick, *table])
    out, err = capsys.readouterr()
    assert code == 0, err
    (document,) = json.loads(out)
    values = {v["name"]: v for v in document["values"]}
    assert set(values) == {"x", "lengths"}
    assert all(v["origin"] == "given" for v in values.values())
    assert values["lengths"]["decides"]
    assert "values decide the work" not in {w["code"] for w in document["warnings"]}


@pytest.mark.runtimes
def test_the_tensors_of_a_module_run(measure: Measure) -> None:
    import torch

    from tests.models_of_reports.modules import ROWS, WIDTH, Prefix, TokenTypes

    torch.manual_seed(0)
    types = TokenTypes().eval()
    ids = torch.zeros(1, 12, dtype=torch.long)
    _, watched = measure(types, "torch-cpu", inputs=ids, check_outputs=False)
    assert watched.outputs is not None
    np.testing.assert_allclose(watched.outputs[0], types(ids).detach().numpy(), rtol=1e-5)
    prefix, x = Prefix().eval(), torch.rand(ROWS, WIDTH)
    for k in (ROWS - 1, 1):
        _, watched = measure(prefix, "torch-cpu", inputs=(x, torch.tensor(k)), check_outputs=False)
        assert watched.outputs is not None
        assert watched.outputs[0].shape == (k, WIDTH)
