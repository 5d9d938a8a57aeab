"""Reports of figures that hung on the inputs' values: the model, and the inputs that are right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import onnx

from hwprof.measurement import WarningCode
from tests.models_of_reports import plain, valued

Feed = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Report:
    """One model, the inputs that users run it on, and how a figure with made-up ones may end."""

    name: str
    kind: str
    """What is easily got wrong."""
    build: Callable[[], onnx.ModelProto]
    feed: Callable[[], Feed]
    """The right inputs; the cost with these is the right figure."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Those of them that a text on the command line gives as well."""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Dimensions that the file leaves open."""
    warns: tuple[WarningCode, ...] = ()
    """A figure with made-up inputs may be another one if it carries one of these."""
    asks: str = ""
    """It may also be refused with a sentence that asks for this input; empty: it must not be."""


def rng() -> np.random.Generator:
    """Of one seed, so that every call gives the same inputs."""
    return np.random.default_rng(1)


def floats(*shape: int) -> np.ndarray:
    return rng().random(shape, dtype=np.float32)


def ids(limit: int, *shape: int) -> np.ndarray:
    return rng().integers(0, limit, shape)


T, B = valued.TIME, valued.SEQUENCES
DECIDES, NEVER_RAN = WarningCode.VALUES_DECIDE, WarningCode.BRANCH_NEVER_RAN

REPORTS: tuple[Report, ...] = (
    Report(
        "padded_lstm",
        "lengths of sequences decide how many steps run",
        valued.padded_lstm,
        lambda: {"x": floats(T, B, valued.FEATURES), "lengths": np.full(B, T)},
        {"lengths": str(T)},
        {"x": (T, B, valued.FEATURES)},
        (DECIDES,),
    ),
    Report(
        "early_exit",
        "a score decides whether the expensive branch runs",
        valued.early_exit,
        lambda: {"x": np.full((1, 3, 112, 112), 0.9, np.float32)},
        {"x": "0.9"},
        {},
        (NEVER_RAN, DECIDES),
    ),
    Report(
        "steps",
        "the number of a loop's steps is an input",
        valued.steps,
        lambda: {"x": floats(1, valued.STEPS_WIDTH), "max_length": np.array(150)},
        {"max_length": "150"},
        {},
        (DECIDES,),
        "max_length",
    ),
    Report(
        "voice_detector",
        "an input picks one of two networks",
        valued.voice_detector,
        lambda: {"input": floats(1, 512), "sr": np.array(16000)},
        {"sr": "16000"},
        {"input": (1, 512)},
        (NEVER_RAN, DECIDES),
        "sr",
    ),
    Report(
        "mask_decoder",
        "an input is the size of the output",
        valued.mask_decoder,
        lambda: {
            "embedding": floats(1, 16, 64, 64),
            "orig_im_size": np.array([600, 900], np.float32),
        },
        {"orig_im_size": "600,900"},
        {},
        (DECIDES,),
        "orig_im_size",
    ),
    Report(
        "token_types",
        "ids beyond the rows of their table are an error",
        valued.token_types,
        lambda: {
            "input_ids": ids(valued.WORDS, 1, 96),
            "token_type_ids": np.zeros((1, 96), np.int64),
        },
        {"input_ids": f"0..{valued.WORDS - 1}", "token_type_ids": "0"},
        {"input_ids": (1, 96)},
    ),
    Report(
        "vocabulary",
        "ids of a text are spread over the whole table",
        valued.vocabulary,
        lambda: {"ids": ids(valued.VOCABULARY, 1, valued.TOKENS)},
        {"ids": f"0..{valued.VOCABULARY - 1}"},
        {"ids": (1, valued.TOKENS)},
    ),
    Report(
        "embedding_bags",
        "offsets decide how many rows each bag has",
        valued.embedding_bags,
        lambda: {
            "indices": ids(valued.ROWS, valued.BAGS * valued.PER_BAG),
            "offsets": np.arange(valued.BAGS) * valued.PER_BAG,
        },
        {
            "indices": f"0..{valued.ROWS - 1}",
            "offsets": f"0..{(valued.BAGS - 1) * valued.PER_BAG} rising",
        },
        {"indices": (valued.BAGS * valued.PER_BAG,), "offsets": (valued.BAGS,)},
        (DECIDES,),
        "offsets",
    ),
    Report(
        "empty_cache",
        "a cache has no entries before the first token",
        valued.key_cache,
        lambda: {
            "input_ids": ids(500, 1, 96),
            "past.0.key": np.zeros((1, valued.CACHE_HEADS, 0, valued.CACHE_WIDTH), np.float32),
        },
        {"input_ids": "0..499"},
        {
            "input_ids": (1, 96),
            "past.0.key": (1, valued.CACHE_HEADS, 0, valued.CACHE_WIDTH),
        },
    ),
    Report(
        "empty_prompt",
        "a dimension of 0 in the file is a size",
        partial(valued.empty_prompt, given=True),
        lambda: {"prompt": np.zeros((1, 0, 32), np.float32), "x": floats(1, 12, 32)},
    ),
    Report(
        "empty_constant",
        "a constant without elements",
        partial(valued.empty_prompt, given=False),
        lambda: {"x": floats(1, 12, 32)},
    ),
    Report(
        "baked_steps",
        "a value that was made a constant of the file",
        partial(valued.steps, fixed=150),
        lambda: {"x": floats(1, valued.STEPS_WIDTH)},
    ),
    Report(
        "usual_weights",
        "three convolutions",
        partial(plain.convolutions, scale=0.1),
        lambda: {"x": floats(1, 48, 24, 24)},
    ),
    Report(
        "denormal_weights",
        "the same with weights that training let die",
        partial(plain.convolutions, scale=1e-40),
        lambda: {"x": floats(1, 48, 24, 24)},
    ),
    Report(
        "growing_cache",
        "shapes that grow from step to step",
        plain.growing_cache,
        lambda: {"x": floats(1, 32)},
    ),
)

BY_NAME: Mapping[str, Report] = {report.name: report for report in REPORTS}
