"""The laws that every search space keeps. Plugin authors run them against their own.

    from hwprof.testing.spaces import check_space
    check_space(MySpace())

Each law raises AssertionError with a sentence. Nothing here depends on a test framework; building
needs onnxruntime, which hwprof has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hwprof.errors import OptionError
from hwprof.similarity import Similarity
from hwprof.spaces.base import TOTALS, Indices, Space
from hwprof.spaces.work import NAMES
from hwprof.telemetry import ONNX_RUNTIME, opt_out

_ROWS = 40
_SEED = 0


def law(holds: bool, sentence: str) -> None:
    """Raise AssertionError(sentence) unless `holds`."""
    if not holds:
        raise AssertionError(sentence)


def refused(action: Callable[[], object], what: str) -> None:
    """The action raises an OptionError of one line."""
    try:
        action()
    except OptionError as error:
        law("\n" not in "".join(map(str, error.args)), f"the error for {what} is one line")
        return
    raise AssertionError(f"{what} is refused with an OptionError")


def check_positions(space: Space) -> None:
    """Laws of the name and the positions."""
    law(space.name == space.name.lower() and bool(space.name), "the name is lower-case")
    names = [position.name for position in space.positions]
    law(len(names) > 0, "a space has positions")
    law(len(set(names)) == len(names), "names of positions are unique")
    for position in space.positions:
        law(len(position.choices) > 0, "a position has choices")
        law(len(set(position.choices)) == len(position.choices), "choices of a position differ")
    law(space.width == sum(len(p.choices) for p in space.positions), "the width counts choices")


def check_texts(space: Space, rows: Indices) -> None:
    """Texts, choices and rows are three forms of the same architecture."""
    texts = space.texts(rows)
    law(len(texts) == len(rows), "every row has a text")
    law(len(set(texts)) == len(np.unique(rows, axis=0)), "different rows have different texts")
    law(np.array_equal(space.indices(texts), rows), "texts give back their rows")
    for text, row in zip(texts, rows, strict=True):
        choices = space.parse(text)
        pairs = zip(space.positions, row, strict=True)
        law(choices == tuple(p.choices[i] for p, i in pairs), "parse gives a choice per position")
        law(space.format(choices) == text, "format is the inverse of parse")
        law(np.array_equal(space.row(text), row), "a text and its row are the same architecture")
    law(space.indices([]).shape == (0, len(space.positions)), "no text gives no row")


def check_rows(space: Space, rows: Indices) -> None:
    """Rows are valid, canonical and encoded one-hot."""
    law(rows.shape == (len(rows), len(space.positions)), "rows are [n, positions]")
    law(np.issubdtype(rows.dtype, np.int64), "rows are int64")
    sizes = np.array([len(p.choices) for p in space.positions])
    law(bool(((rows >= 0) & (rows < sizes)).all()), "rows hold indices of choices")
    law(np.array_equal(space.canonical(rows), rows), "rows that a space returns are canonical")
    law(np.array_equal(space.indices(rows), rows), "indices of canonical rows are these rows")
    features = space.encode(rows)
    law(features.dtype == np.float32, "features are float32")
    law(features.shape == (len(rows), space.width), "features are [n, d]")
    law(bool(np.isin(features, (0, 1)).all()), "features are one-hot")
    start = 0
    for position, column in zip(space.positions, rows.T, strict=True):
        part = features[:, start : start + len(position.choices)]
        one = part.sum(axis=1) == 1
        law(bool((one & (part.argmax(axis=1) == column)).all()), "features are one-hot by position")
        start += len(position.choices)
    law(np.array_equal(space.encode(space.texts(rows)), features), "texts and rows encode alike")


def check_canonical(space: Space, rng: np.random.Generator) -> None:
    """Canonical rows stay what they are, and stand for the same architecture."""
    sizes = [len(position.choices) for position in space.positions]
    anything = rng.integers(0, sizes, (_ROWS, len(sizes)))
    before = anything.copy()
    clean = space.canonical(anything)
    law(bool((anything == before).all()), "canonical leaves its argument as it was")
    law(bool((space.canonical(clean) == clean).all()), "canonical is idempotent")
    law(bool(((clean == anything) | (clean == 0)).all()), "canonical only clears unused positions")
    law(_written(space, anything) == _written(space, clean), "canonical keeps the architecture")
    first = anything[:3]
    law(
        [space.costs(row) for row in first] == [space.costs(row) for row in space.canonical(first)],
        "positions that are not used cost nothing",
    )


def _written(space: Space, rows: Indices) -> list[str]:
    """Texts of rows as they are: `Space.texts` makes them canonical first."""
    return [
        space.format([p.choices[i] for p, i in zip(space.positions, row, strict=True)])
        for row in rows
    ]


def check_search(space: Space, rng: np.random.Generator) -> None:
    """Laws of sampling, mutation and crossover."""
    law(space.sample(0, rng).shape == (0, len(space.positions)), "no sample is no row")
    seeded = [space.sample(_ROWS, np.random.default_rng(_SEED)) for _ in range(2)]
    law(bool((seeded[0] == seeded[1]).all()), "sampling is decided by the generator")
    parents, others = space.sample(_ROWS, rng), space.sample(_ROWS, rng)
    before = parents.copy()
    children = space.mutate(parents, rng)
    check_rows(space, children)
    law(bool((parents == before).all()), "mutation leaves the parents as they were")
    law(bool((children != parents).any(axis=1).all()), "mutation changes every architecture")
    all_new = space.mutate(parents, rng, rate=1.0)
    stays = (all_new == parents) & space.used(parents) & space.used(all_new) & (space.sizes > 1)
    law(not stays.any(), "at a rate of 1 every used position changes")
    child = space.crossover(parents, others, rng)
    check_rows(space, child)
    law(bool(((child == parents) | (child == others)).all()), "a child takes after its parents")
    same = space.crossover(parents, parents, rng)
    law(bool((same == parents).all()), "a child of one parent is that parent")


def check_refusals(space: Space, row: Indices) -> None:
    """What is no architecture is refused, in one line."""
    text = space.texts(row[None])[0]
    try:
        spaced = space.indices([f"  {text}\n"])[0]
    except OptionError:
        spaced = None
    law(spaced is not None and np.array_equal(spaced, row), "space around a text is ignored")
    for wrong in ("", "no such architecture", text + " surplus"):
        refused(lambda wrong=wrong: space.parse(wrong), f"the text {wrong!r}")  # type: ignore[misc]
    choices = list(space.parse(text))
    refused(lambda: space.format(choices[:-1]), "one choice too few")
    refused(lambda: space.format([*choices[:-1], "no such choice"]), "an unknown choice")
    refused(lambda: space.indices(text), "a text that is not in a list")
    mixed: Any = [text, 3]
    refused(lambda: space.indices(mixed), "a list of texts and numbers")
    high, low = row.copy(), row.copy()
    high[-1], low[0] = len(space.positions[-1].choices), -1
    for wrong_row in (high, low, row[:-1], row + 0.5):
        refused(lambda r=wrong_row: space.indices(r[None]), f"the row {wrong_row}")  # type: ignore[misc]
    refused(lambda: space.costs(high), "the cost of a row out of range")


def check_costs(space: Space, rows: Indices) -> None:
    """Costs are positive, and the same for a text and its row, one by one and together."""
    costs = [space.costs(row) for row in rows]
    texts = space.texts(rows)
    law([space.costs(text) for text in texts] == costs, "a text and its row cost the same")
    for cost in costs:
        positive = min(cost.flops, cost.parameters, cost.activation_bytes) > 0
        law(positive, "FLOPs, parameters and bytes are positive")
    law(space.flops(rows).tolist() == [c.flops for c in costs], "flops are those of costs")
    law(space.parameters(texts).tolist() == [c.parameters for c in costs], "so are parameters")


def check_analytic(space: Space, rows: Indices) -> None:
    """Columns of idealised machines are latencies, agree with the costs, and follow from features.

    Of rows that have something of every kind: a column may be 0 for some of them, not for all.
    """
    names, columns = space.analytic_names, space.analytic(rows)
    law(len(set(names)) == len(names), "names of machines differ")
    law(columns.shape == (len(rows), len(names)), "there is a latency per row and machine")
    law(columns.dtype == np.float64, "latencies of machines are float64")
    law(bool((np.isfinite(columns) & (columns >= 0)).all()), "latencies are finite, none negative")
    law(bool((columns > 0).any(axis=0).all()), "no machine is idle for all architectures")
    law(np.array_equal(space.analytic(space.texts(rows)), columns), "texts and rows take as long")
    law(space.analytic([]).shape == (0, len(names)), "no text takes no time")
    for row, values in zip(rows[:3], columns, strict=False):
        costs = space.costs(row)
        known = {name: getattr(costs, name) for name in TOTALS}
        if costs.work is not None:
            known |= dict(zip(NAMES, costs.work.numbers, strict=True))
            law(costs.flops >= 2 * costs.work.products, "products are part of the FLOPs")
        for name, value in zip(names, values, strict=True):
            law(np.isclose(value, known.get(name, value)), f"the machine {name} agrees with costs")
    component = space.similarity().analytic
    if component is not None:
        features = space.encode(rows).astype(np.float64)
        mapped = component.fit(features, np.ones(len(rows)), np.random.default_rng(_SEED))(features)
        relative = columns / columns.mean(axis=0)
        law(mapped.ndim == 2 and len(mapped) == len(rows), "the similarity has machines row by row")
        law(
            all(np.isclose(each[:, None], relative).all(axis=0).any() for each in mapped.T),
            "the similarity has latencies of the space's machines over their mean",
        )


def check_similarity(space: Space, rows: Indices) -> None:
    """A similarity has the name of its space, and its components take the space's features."""
    similarity = space.similarity()
    law(isinstance(similarity, Similarity), "a similarity is a Similarity")
    law(similarity.name == space.name, "a similarity bears the name of the space")
    features, cost = space.encode(rows).astype(np.float64), np.ones(len(rows))
    for component in (*similarity.smoothing, *similarity.transfer):
        mapped = component.fit(features, cost, np.random.default_rng(_SEED))(features)
        law(mapped.ndim == 2 and len(mapped) == len(rows), "a component maps row by row")
        law(bool(np.isfinite(mapped).all()), "what a component maps to is finite")


def check_build(space: Space, row: Indices) -> None:
    """A model passes ONNX's checks, runs, and is finite."""
    import onnx

    opt_out(ONNX_RUNTIME)
    import onnxruntime

    model = space.build(row)
    onnx.checker.check_model(model, full_check=True)
    learned = sum(int(np.prod(t.dims)) for t in model.graph.initializer)
    law(learned >= space.costs(row).parameters, "a model holds all its parameters")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(_SEED)
    inputs = {
        given.name: rng.standard_normal(given.shape).astype(np.float32)
        if given.type == "tensor(float)"
        else rng.integers(0, 2, given.shape)
        for given in session.get_inputs()
    }
    for result in session.run(None, inputs):
        law(bool(np.isfinite(result).all()), "what a model computes is finite")
    side = model.graph.input[0].type.tensor_type.shape.dim[-1].dim_value
    law(space.resolution(row) == side, "the resolution is the last dimension of the first input")
    refused(lambda: space.build(row, batch=0), "a batch of 0")
    refused(lambda: space.build(row, resolution=0), "a resolution of 0")


def check_space(space: Space, *, build: bool = True) -> None:
    """Every law. `build=False` leaves the models out, which take the most time."""
    rng = np.random.default_rng(_SEED)
    check_positions(space)
    check_canonical(space, rng)
    rows = space.sample(_ROWS, rng)
    check_rows(space, rows)
    check_texts(space, rows)
    check_search(space, rng)
    check_refusals(space, rows[0])
    check_costs(space, rows[:3])
    check_analytic(space, rows)
    check_similarity(space, rows)
    if build:
        # The smallest architecture would hide that parts of others are missing.
        check_build(space, rows[int(np.argmax(space.parameters(rows[:3])))])
