"""Every registered space keeps the laws; a space that breaks one is told which."""

import re

import numpy as np
import pytest

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Linear
from hwprof.spaces.base import Position, Space
from hwprof.testing import spaces as contract
from hwprof.testing.spaces import check_space
from tests.spaces.tiny import Tiny
from tests.testing import broken_spaces as parts
from tests.testing.broken_spaces import broken
from tests.testing.laws import uncovered

ENDING = " is refused with an OptionError"
ROWS = Tiny().sample(40, np.random.default_rng(0))


@pytest.mark.parametrize("name", spaces.names(plugins=()))
def test_every_space_keeps_the_laws(name):
    # Models of hundreds of megabytes are built and run by the tests of their own space.
    check_space(spaces.get(name), build=name not in ("gpt", "transformer"))


def test_the_smallest_space_keeps_the_laws():
    check_space(Tiny())


# By the check that finds it: what is changed, and the sentence.
POSITIONS = [
    ({"name": "Tiny"}, "the name is lower-case"),
    ({"positions": ()}, "a space has positions"),
    ({"positions": (*Tiny.positions[:4], Tiny.positions[3])}, "names of positions are unique"),
    ({"positions": (*Tiny.positions[:4], Position("last", ()))}, "a position has choices"),
    (
        {"positions": (Position("depth", ("1", "1", "3")), *Tiny.positions[1:])},
        "choices of a position differ",
    ),
    ({"width": 3}, "the width counts choices"),
]
TEXTS = [
    ({"texts": lambda self, rows: Tiny.texts(self, rows)[:-1]}, "every row has a text"),
    (
        {"format": lambda self, c: Tiny.format(self, [c[0], "a", *c[2:]])},
        "different rows have different texts",
    ),
    ({"format": parts.turned}, "texts give back their rows"),
    (
        {"parse": lambda self, text: list(Tiny.parse(self, text))},
        "parse gives a choice per position",
    ),
    (
        # Rows become lists of choices, texts tuples.
        {"format": lambda self, c: Tiny.format(self, c) + " " * isinstance(c, tuple)},
        "format is the inverse of parse",
    ),
    (
        {"row": lambda self, arch: Tiny.row(self, arch) * 0},
        "a text and its row are the same architecture",
    ),
    ({"indices": parts.nothing_flat}, "no text gives no row"),
]
SAMPLED = [
    ({"sample": lambda self, n, rng: Tiny.sample(self, n, rng)[:, :-1]}, "rows are [n, positions]"),
    ({"sample": lambda self, n, rng: Tiny.sample(self, n, rng).astype(np.int32)}, "rows are int64"),
    (
        {"sample": lambda self, n, rng: Tiny.sample(self, n, rng) + 1},
        "rows hold indices of choices",
    ),
    (
        {"sample": lambda self, n, rng: rng.integers(0, self.sizes, (n, 5))},
        "rows that a space returns are canonical",
    ),
    (
        {"indices": lambda self, archs: Tiny.indices(self, archs)[::-1]},
        "indices of canonical rows are these rows",
    ),
    (
        {"encode": lambda self, archs: Tiny.encode(self, archs).astype(np.float64)},
        "features are float32",
    ),
    ({"encode": lambda self, archs: Tiny.encode(self, archs)[:, :-1]}, "features are [n, d]"),
    ({"encode": lambda self, archs: Tiny.encode(self, archs) * 2}, "features are one-hot"),
    (
        {"encode": lambda self, archs: np.roll(Tiny.encode(self, archs), 1, axis=1)},
        "features are one-hot by position",
    ),
    (
        {"encode": lambda self, a: Tiny.encode(self, a)[:: -1 if isinstance(a, list) else 1]},
        "texts and rows encode alike",
    ),
]
CANONICAL = [
    ({"canonical": parts.meddling}, "canonical leaves its argument as it was"),
    ({"canonical": parts.shallower}, "canonical is idempotent"),
    ({"canonical": parts.careless}, "canonical only clears unused positions"),
    ({"canonical": parts.narrow}, "canonical keeps the architecture"),
    ({"costs": parts.priced(flops=np.sum)}, "positions that are not used cost nothing"),
]
SEARCH = [
    (
        {"sample": lambda self, n, rng: Tiny.sample(self, max(n, 1), rng)},
        "no sample is no row",
    ),
    (
        {"sample": lambda self, n, rng: Tiny.sample(self, n, np.random.default_rng())},
        "sampling is decided by the generator",
    ),
    ({"mutate": parts.in_place}, "mutation leaves the parents as they were"),
    (
        {"mutate": lambda self, rows, rng, rate=None: self.indices(rows)},
        "mutation changes every architecture",
    ),
    (
        {"mutate": lambda self, rows, rng, rate=None: Tiny.mutate(self, rows, rng)},
        "at a rate of 1 every used position changes",
    ),
    (
        {"crossover": lambda self, one, other, rng: self.sample(len(one), rng)},
        "a child takes after its parents",
    ),
    ({"crossover": parts.one_parent}, "a child of one parent is that parent"),
]
REFUSALS = [
    ({"parse": parts.loose}, "space around a text is ignored"),
    ({"parse": parts.chatty}, "the error for the text '' is one line"),
    ({"parse": parts.forgiving}, "the text ''" + ENDING),
    ({"format": parts.padded}, "one choice too few" + ENDING),
    ({"format": parts.replaced}, "an unknown choice" + ENDING),
    ({"indices": parts.sized}, "a text that is not in a list" + ENDING),
    ({"indices": parts.texts_alone}, "a list of texts and numbers" + ENDING),
    ({"indices": parts.clipped}, f"the row {np.append(ROWS[0, :-1], 3)}" + ENDING),
    ({"costs": parts.tidied}, "the cost of a row out of range" + ENDING),
]
COSTS = [
    (
        {"costs": parts.priced(flops=lambda arch: isinstance(arch, str))},
        "a text and its row cost the same",
    ),
    ({"costs": parts.priced(flops=lambda arch: -1e9)}, "FLOPs, parameters and bytes are positive"),
    ({"flops": lambda self, archs: Tiny.flops(self, archs) + 1}, "flops are those of costs"),
    ({"parameters": lambda self, archs: Tiny.parameters(self, archs) + 1}, "so are parameters"),
]
ANALYTIC = [
    ({"analytic_names": ("flops",) * 3}, "names of machines differ"),
    (
        {"analytic": lambda self, archs: Tiny.analytic(self, archs)[:, :2]},
        "there is a latency per row and machine",
    ),
    (
        {"analytic": lambda self, archs: Tiny.analytic(self, archs).astype(np.float32)},
        "latencies of machines are float64",
    ),
    (
        {"analytic": lambda self, archs: -Tiny.analytic(self, archs)},
        "latencies are finite, none negative",
    ),
    (
        {"analytic": lambda self, archs: 0 * Tiny.analytic(self, archs)},
        "no machine is idle for all architectures",
    ),
    (
        {"analytic": lambda self, a: Tiny.analytic(self, a) * (2 if isinstance(a, list) else 1)},
        "texts and rows take as long",
    ),
    ({"analytic": parts.flat}, "no text takes no time"),
    ({"costs": parts.overworked}, "products are part of the FLOPs"),
    (
        {"analytic": lambda self, archs: 2 * Tiny.analytic(self, archs)},
        "the machine flops agrees with costs",
    ),
    ({"similarity": parts.machines(parts.Lonely())}, "the similarity has machines row by row"),
    (
        {"similarity": parts.machines(Linear(np.ones((14, 3))))},
        "the similarity has latencies of the space's machines over their mean",
    ),
]
SIMILARITY = [
    ({"similarity": lambda self: "tiny"}, "a similarity is a Similarity"),
    ({"similarity": parts.similar("other")}, "a similarity bears the name of the space"),
    ({"similarity": parts.similar(component=parts.Lonely())}, "a component maps row by row"),
    (
        {"similarity": parts.similar(component=parts.Boundless())},
        "what a component maps to is finite",
    ),
]
BUILD = [
    (
        {"build": lambda self, arch, **sizes: Tiny.build(self, "1:aa", **sizes)},
        "a model holds all its parameters",
    ),
    ({"build": parts.endless}, "what a model computes is finite"),
    (
        {"resolution": lambda self, arch: 7},
        "the resolution is the last dimension of the first input",
    ),
    (
        {"build": lambda self, a, batch=1, resolution=None: Tiny.build(self, a, 1, resolution)},
        "a batch of 0" + ENDING,
    ),
    (
        {"build": lambda self, a, batch=1, resolution=None: Tiny.build(self, a, batch)},
        "a resolution of 0" + ENDING,
    ),
]
WIDEST = ROWS[Tiny().parameters(ROWS).argmax()]
CHECKS = {
    "positions": (contract.check_positions, POSITIONS),
    "texts": (lambda space: contract.check_texts(space, ROWS), TEXTS),
    "rows": (
        lambda space: contract.check_rows(space, space.sample(40, np.random.default_rng(0))),
        SAMPLED,
    ),
    "canonical": (
        lambda space: contract.check_canonical(space, np.random.default_rng(0)),
        CANONICAL,
    ),
    "search": (lambda space: contract.check_search(space, np.random.default_rng(0)), SEARCH),
    "refusals": (lambda space: contract.check_refusals(space, ROWS[0]), REFUSALS),
    "costs": (lambda space: contract.check_costs(space, ROWS[:3]), COSTS),
    "analytic": (lambda space: contract.check_analytic(space, ROWS), ANALYTIC),
    "similarity": (lambda space: contract.check_similarity(space, ROWS), SIMILARITY),
    "build": (lambda space: contract.check_build(space, WIDEST), BUILD),
}
CASES = [
    pytest.param(check, changes, sentence, id=sentence)
    for check, cases in CHECKS.values()
    for changes, sentence in cases
]


@pytest.mark.parametrize(("check", "changes", "sentence"), CASES)
def test_a_broken_space_is_told_its_law(check, changes, sentence):
    with pytest.raises(AssertionError, match=f"^{re.escape(sentence)}$"):
        check(broken(**changes))


@pytest.mark.parametrize(("check", "changes", "sentence"), CASES)
def test_a_broken_space_does_not_pass(check, changes, sentence):
    # Another law may find it first, and numpy may refuse what has an impossible shape.
    with pytest.raises((AssertionError, ValueError, IndexError, OptionError, AttributeError)):
        check_space(broken(**changes))


def test_every_law_is_broken_once():
    seen = [case.values[2] for case in CASES]
    assert uncovered(contract, ENDING, seen) == []
    assert r"a\ position\ has\ choices" in uncovered(contract, ENDING, [])


def test_other_errors_are_not_swallowed():
    def loud(self, text):
        try:
            return Tiny.parse(self, text)
        except OptionError as error:
            raise ValueError(str(error)) from error

    with pytest.raises(ValueError, match="tiny architecture"):
        check_space(broken(parse=loud))


def test_models_can_be_left_out():
    check_space(broken(build=parts.endless), build=False)


def test_a_space_may_count_nothing():
    space = broken(analytic_names=())
    assert space.analytic(ROWS).shape == (40, 0)
    check_space(space, build=False)


def test_a_space_owes_no_similarity():
    space, rng = Tiny(), np.random.default_rng(0)
    assert Tiny.similarity is Space.similarity
    check_space(space, build=False)
    rows = np.unique(space.sample(200, rng), axis=0)
    latency_s = space.flops(rows)[:, None] * rng.uniform(1e-9, 2e-9, (1, 4))
    latency_s = latency_s * np.exp(0.02 * rng.standard_normal(latency_s.shape))
    pool = DevicePool(space.encode(rows), latency_s[:, :3], ["one", "two", "three"])
    predictor = FewShotPredictor.fit(pool, similarity=space.similarity())
    chosen = predictor.select(6)
    mean_s = predictor.adapt(chosen, latency_s[chosen, 3]).predict(np.arange(len(rows))).mean_s
    assert mean_s.shape == (len(rows),)
    assert (mean_s > 0).all()
