"""Shapes, operators, values that are no tensors, names and arguments: measured, or told why not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import onnx

import hwprof
from cases.verdicts import Case, Setting, Verdict, attempt, refusal, said
from hwprof.measurement import Measurement
from tests.models_of_reports import foreign, plain, shapes
from tests.models_of_reports.building import graph, model, op, tensor, weights


@dataclass(frozen=True, slots=True)
class Asked:
    """A model, how it is asked for, and what must come of it."""

    build: Callable[[], onnx.ModelProto]
    options: Mapping[str, Any] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    """Words of which the refusal holds one; empty where it must be measured."""
    shape: tuple[int, ...] | None = None
    """What its first input must have where it is measured."""
    either: bool = False
    """Whether measuring it is in order as well as refusing it."""


def family(case: str, asked: Mapping[str, Asked], setting: Setting) -> Iterator[Verdict]:
    """Every member, one after the other."""
    for name, each in asked.items():
        found = attempt(each.build(), plan=setting.plan(), **each.options)
        if isinstance(found, Exception):
            yield refusal(case, name, found, each.refused)
            continue
        inputs = found.subject.inputs
        shape = inputs[0].shape if inputs else None
        fits = each.shape is None or shape == each.shape
        fits = fits and (each.either or not each.refused)
        yield Verdict(case, name, "right" if fits else "wrong", f"measured with {shape}")


SYMBOLS = ("dyn", "-1", "None")
SHAPES: Mapping[str, Asked] = {
    "batch of a model with time first": Asked(shapes.time_first, {"batch": 4}, ("'time'",)),
    "batch where only time is open": Asked(
        shapes.time_first_batch_one, {"batch": 4}, ("batch", "time")
    ),
    "both given, time first": Asked(
        shapes.time_first,
        {"shapes": {"x": (20, 4, shapes.F)}},
        shape=(20, 4, shapes.F),
    ),
    "a state with a fixed batch": Asked(
        shapes.fixed_state, {"shapes": {"x": (10, 4, shapes.F)}}, ("initial_h", "'state'")
    ),
    "stale shapes in the file": Asked(
        shapes.stale_shapes, {"shapes": {"x": (1, 3, 32, 32)}}, shape=(1, 3, 32, 32)
    ),
    **{
        f"one symbol '{symbol}' for different sizes": Asked(
            partial(shapes.one_symbol, symbol),
            {"shapes": {"x": (1, 3, 48, 320)}},
            # A real symbol may insist on being one size; a placeholder must not.
            ("dimension 'dyn'",) if symbol == "dyn" else (),
            (1, 3, 48, 320),
            either=symbol == "dyn",
        )
        for symbol in SYMBOLS
    },
}
NO_TENSORS = {"sequence_in": "'q'", "optional_in": "'o'", "text": "'text'", "columns": "'city'"}


def built(models: Mapping[str, onnx.ModelProto], name: str) -> Callable[[], onnx.ModelProto]:
    return lambda: models[name]


def operators(setting: Setting) -> Iterator[Verdict]:
    models = foreign.operators()
    asked = {
        name: Asked(
            built(models, name),
            refused=(foreign.UNKNOWN[name],) if name in foreign.UNKNOWN else (),
        )
        for name in models
    }
    yield from family("operators", asked, setting)


def no_tensors(setting: Setting) -> Iterator[Verdict]:
    models = {**foreign.sequences(), **foreign.classical()}
    batches = {"labels_and_maps": 2, "plain_scores": 2, "columns": 2}
    asked = {
        name: Asked(
            built(models, name),
            {"batch": batches[name]} if name in batches else {},
            (NO_TENSORS[name],) if name in NO_TENSORS else (),
            either=True,
        )
        for name in models
    }
    yield from family("no_tensors", asked, setting)


def everyday(setting: Setting) -> Iterator[Verdict]:
    """What is right already, and has to stay so."""
    asked = {name: Asked(built(plain.layers(), name)) for name in plain.layers()}
    asked |= {name: Asked(built(plain.constants_only(), name)) for name in plain.constants_only()}
    asked |= {
        f"opset {v}": Asked(partial(plain.of_opset, v), refused=("opset 27",) if v == 27 else ())
        for v in plain.OPSETS
    }
    asked["odd names"] = Asked(plain.oddly_named, {"batch": 8}, shape=(8, 48))
    yield from family("everyday", asked, setting)


def large(setting: Setting) -> Iterator[Verdict]:
    """More weights than one message holds, in a file beside the model."""
    folder = setting.folder / "beyond"
    folder.mkdir(exist_ok=True)
    path = plain.beyond_one_message(folder)
    found = attempt(path, plan=setting.plan())
    text = "measured" if isinstance(found, Measurement) else said(found)
    right = isinstance(found, Measurement)
    yield Verdict("large_weights", "from the file", "right" if right else "wrong", text)
    unloaded = onnx.load(str(path), load_external_data=False)
    error = attempt(unloaded, plan=setting.plan())
    if isinstance(error, Measurement):
        yield Verdict("large_weights", "without its weights", "wrong", "measured")
    else:
        yield refusal("large_weights", "without its weights", error, ("weights.data",))


def small() -> onnx.ModelProto:
    ends = [tensor("x", ["b", 48])], [tensor("y", ["b", 48])]
    return model(graph("small", [op("MatMul", "x w", "y")], *ends, [weights("w", 48, 48)]))


def arguments(setting: Setting) -> Iterator[Verdict]:
    """Whatever a notebook hands over is taken, or refused in hwprof's own words."""
    import onnxruntime

    content = small().SerializeToString()
    calls: Mapping[str, tuple[object, dict[str, Any], bool]] = {
        "a model and a batch": (small(), {"batch": 8}, True),
        "inputs as an array": (small(), {"inputs": {"x": np.ones((8, 48), np.float32)}}, True),
        "shapes of NumPy": (small(), {"shapes": {"x": np.array([8, 48])}}, True),
        "inputs of a wrong size": (small(), {"inputs": {"x": np.ones((8, 9), np.float32)}}, False),
        "inputs of a wrong type": (small(), {"inputs": {"x": np.full((8, 48), "a")}}, False),
        "an unknown input": (small(), {"inputs": {"X": "1"}, "batch": 8}, False),
        "shapes of an unknown input": (small(), {"shapes": {"X": (8, 48)}}, False),
        "shapes with a float": (small(), {"shapes": {"x": (8.0, 48)}}, False),
        "shapes as a tuple": (small(), {"shapes": (8, 48)}, False),
        "shapes with a number": (small(), {"shapes": {"x": 8}}, False),
        "a batch as a text": (small(), {"batch": "8"}, False),
        "bytes": (content, {}, False),
        "None": (None, {}, False),
        "a list": ([small()], {}, False),
        "a session": (
            onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]),
            {},
            False,
        ),
    }
    for way, (each, options, fine) in calls.items():
        found = attempt(each, plan=setting.plan(), **options)
        own = not isinstance(found, Exception) or isinstance(found, hwprof.HwprofError)
        # What the worker has to refuse was not looked at here.
        own = own and "the worker was sent" not in str(found)
        right = own and isinstance(found, Measurement) == fine
        text = "measured" if isinstance(found, Measurement) else said(found)
        yield Verdict("arguments", way, "right" if right else "wrong", text)


def commands(setting: Setting) -> Iterator[Verdict]:
    """A name that commands a terminal is shown, not obeyed."""
    path = setting.saved("commanding", plain.commanding())
    table = setting.folder / "commanding.db"
    start = [sys.executable, "-m", "hwprof"]
    lines = {
        "measured": ["measure", str(path), "--budget", "0.3", "--lut", str(table)],
        "shown": ["lut", "show", "--lut", str(table)],
        "refused": ["measure", str(path), "--shape", "\x1b[31mx=2,9", "--lut", str(table)],
    }
    with_kernels = [*lines["shown"], "--kernels"]
    for way, line in lines.items():
        done = subprocess.run([*start, *line], capture_output=True, text=True, check=False)
        printed = done.stdout + done.stderr
        if way == "shown" and done.stdout.split():
            identity = next((w for w in done.stdout.split() if len(w) == 32 and w.isalnum()), "")
            each = [*with_kernels[:2], identity, *with_kernels[2:]]
            again = subprocess.run([*start, *each], capture_output=True, text=True, check=False)
            printed += again.stdout + again.stderr
        obeyed = any(not (c.isprintable() or c == "\n") for c in printed)
        text = "a command reaches the terminal" if obeyed else "shown as text"
        yield Verdict("commanding_names", way, "wrong" if obeyed else "right", text)


CASES = (
    Case("shapes", "which axis is what", partial(family, "shapes", SHAPES)),
    Case("operators", "operators that the runtime may not know", operators),
    Case("no_tensors", "sequences, optionals, maps and words", no_tensors),
    Case("everyday", "right today", everyday),
    Case("large_weights", "beyond what one message holds", large),
    Case("arguments", "whatever Python can hand over", arguments),
    Case("commanding_names", "names are text", commands),
)
