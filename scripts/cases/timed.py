"""Figures that hang on the inputs' values: with the right ones given, and with made-up ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cases.truth import Truth, off_by, onnx_runtime, timed
from cases.verdicts import Case, Setting, Verdict, attempt, refusal, said
from hwprof.measurement import Measurement, WarningCode
from tests.models_of_reports.reports import REPORTS, Report

ALLOWED = 0.05
# A neighbour's burst looks like a wrong figure: what misses is measured again.
TRIES = 3
TORCH = "torch-cpu"


def judged(
    name: str,
    way: str,
    measure: Callable[[], Measurement | Exception],
    truth: Callable[[], Truth],
    warns: tuple[WarningCode, ...],
    asks: str,
) -> Verdict:
    """Measure between two truths until the figure is right, or tries run out."""
    before = truth()
    verdict = None
    for _ in range(TRIES):
        found = measure()
        if isinstance(found, Exception):
            if way == "made up" and asks:
                return refusal(name, way, found, (f"--input {asks}", f"'{asks}'"), "asked")
            return Verdict(name, way, "wrong", said(found))
        after = truth()
        off, figure, nearest = off_by(found, before, after)
        figures = {"off": off, "measured_s": figure, "truth_s": nearest}
        text = f"{figure * 1e3:.4f} ms against {nearest * 1e3:.4f} ({off:+.1%})"
        codes = [w.code for w in found.warnings if w.code in warns]
        if codes:
            text += f", warned: {', '.join(c.value for c in codes)}"
        if abs(off) <= ALLOWED:
            return Verdict(name, way, "right", text, figures)
        warned = way == "made up" and bool(codes)
        verdict = Verdict(name, way, "warned" if warned else "wrong", text, figures)
        if warned:
            break
        before = after
    assert verdict is not None
    return verdict


def check_report(report: Report, setting: Setting) -> Iterator[Verdict]:
    """Given inputs by Python and by the command line, then made-up ones."""
    path = setting.saved(report.name, report.build())
    feed = report.feed()
    truth = onnx_runtime(path, feed, setting.cpu)
    inputs = {name: report.texts.get(name, array) for name, array in feed.items()}

    def given() -> Measurement | Exception:
        # An array has a shape; a text has none.
        shapes = {name: s for name, s in report.shapes.items() if name in report.texts}
        found = attempt(path, plan=setting.plan(), inputs=inputs, shapes=shapes)
        if isinstance(found, Measurement):
            unsaid = set(feed) - {v.name for v in found.subject.values if v.origin == "given"}
            if unsaid:
                return ValueError(f"{sorted(unsaid)} were given, and the record does not say so")
        return found

    yield judged(report.name, "given", given, truth, report.warns, report.asks)
    if report.texts:
        yield by_command(report, path, setting)

    def made_up() -> Measurement | Exception:
        return attempt(path, plan=setting.plan(), shapes=report.shapes)

    yield judged(report.name, "made up", made_up, truth, report.warns, report.asks)


def by_command(report: Report, path: Path, setting: Setting) -> Verdict:
    """That the command line takes the same inputs and says so; its figure is Python's."""
    way = "given, command line"
    options: list[str] = []
    for name, array in report.feed().items():
        text = report.texts.get(name)
        if text is None:
            file = setting.folder / f"{report.name}.{len(options)}.npy"
            np.save(file, array)
            text = str(file)
        options += ["--input", f"{name}={text}"]
    for name, shape in report.shapes.items():
        options += ["--shape", f"{name}={','.join(map(str, shape))}"]
    document = command("measure", str(path), *options, setting=setting)
    if isinstance(document, str):
        return Verdict(report.name, way, "wrong", document)
    values = {v["name"]: v for v in document[0].get("values", [])}
    origins = {name: values.get(name, {}).get("origin") for name in report.feed()}
    if set(origins.values()) != {"given"}:
        return Verdict(report.name, way, "wrong", f"the document says {origins}")
    return Verdict(report.name, way, "right", f"{len(values)} inputs given")


def command(*arguments: str, setting: Setting) -> Any:
    """The document that a command prints, or its error as a text."""
    budget, pin = str(min(setting.budget_s, 0.3)), str(setting.cpu)
    options = ["--budget", budget, "--json", "--no-per-op", "--pin", pin]
    table = ["--lut", str(setting.folder / "command.db")]
    line = [sys.executable, "-m", "hwprof", *arguments, *options, *table]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["it failed and said nothing"])[-1]
    return json.loads(done.stdout)


def check_modules(setting: Setting) -> Iterator[Verdict]:
    """Modules of PyTorch run on the tensors that were handed over, not on others."""
    import torch

    from tests.models_of_reports.modules import ROWS, WIDTH, Prefix, TokenTypes

    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.rand(ROWS, WIDTH)
    calls: Mapping[str, tuple[torch.nn.Module, tuple[torch.Tensor, ...]]] = {
        "one row of ids": (TokenTypes().eval(), (torch.zeros(4, 4096, dtype=torch.long),)),
        "a long prefix": (Prefix().eval(), (x, torch.tensor(ROWS - 1000))),
        "a short prefix": (Prefix().eval(), (x, torch.tensor(ROWS // 8))),
    }
    for way, (module, arguments) in calls.items():
        # Work enough that what eager Python adds to a call is within what is allowed.
        def run(module: Any = module, arguments: Any = arguments) -> object:
            with torch.inference_mode():
                return module(*arguments)

        def measure(module: Any = module, arguments: Any = arguments) -> Measurement | Exception:
            return attempt(module, TORCH, setting.plan(), inputs=arguments)

        yield judged("modules", way, measure, lambda run=run: timed(run, setting.cpu), (), "")


def _case(report: Report) -> Case:
    return Case(report.name, report.kind, lambda setting: check_report(report, setting))


CASES = (
    *(_case(report) for report in REPORTS),
    Case("modules", "inputs given in Python are those that run", check_modules),
)
