"""Every registered space keeps the laws; a space that breaks one is told which."""

import re

import numpy as np
import pytest

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.similarity import Component, Linear, Similarity
from hwprof.spaces.base import Position
from hwprof.testing import spaces as contract
from hwprof.testing.spaces import check_space
from tests.spaces.tiny import Tiny
from tests.testing.laws import uncovered

ENDING = " is refused with an OptionError"
ROWS = Tiny().sample(40, np.random.default_rng(0))


@pytest.mark.parametrize("name", spaces.names(plugins=()))
def test_every_space_keeps_the_laws(name):
    # Models of hundreds of megabytes are built and run by the tests of their own space.
    check_space(spaces.get(name), build=name not in ("gpt", "transformer"))


def test_the_smallest_space_keeps_the_laws():
    check_space(Tiny())


def broken(**changes):
    """A space of the smallest kind with some of its parts changed."""
    return type("Broken", (Tiny,), changes)()


def forgiving(self, text):
    try:
        return Tiny.parse(self, text)
    except OptionError:
        return Tiny.parse(self, "1:aa")


def padded(self, choices):
    return Tiny.format(self, [*choices, "a"][:5])


def replaced(self, choices):
    known = [
        c if c in p.choices else p.choices[0] for p, c in zip(self.positions, choices, strict=False)
    ]
    return Tiny.format(self, known)


def turned(self, choices):
    depth, wide, *layers = choices
    return Tiny.format(self, [depth, "ab"[wide == "a"], *layers])


def narrow(self, rows):
    clean = Tiny.canonical(self, rows)
    clean[:, 1] = 0
    return clean


def shallower(self, rows):
    clean = Tiny.canonical(self, rows)
    clean[:, 0] = np.maximum(clean[:, 0] - 1, 0)
    return clean


def careless(self, rows):
    clean = Tiny.canonical(self, rows)
    clean[:, 4] = np.where(rows[:, 0] == 2, rows[:, 4], 1)
    return clean


def meddling(self, rows):
    rows[:] = Tiny.canonical(self, rows)
    return rows


def in_place(self, rows, rng, rate=None):
    children = Tiny.mutate(self, rows, rng, rate)
    rows[:] = children
    return children


def one_parent(self, one, other, rng):
    if np.array_equal(one, other):
        return one[::-1]
    return Tiny.crossover(self, one, other, rng)


def sized(self, archs):
    if isinstance(archs, str):
        return Tiny.indices(self, [archs])
    return Tiny.indices(self, archs)


def texts_alone(self, archs):
    if isinstance(archs, list) and any(isinstance(arch, str) for arch in archs):
        archs = [arch for arch in archs if isinstance(arch, str)]
    return Tiny.indices(self, archs)


def clipped(self, archs):
    if isinstance(archs, np.ndarray):
        archs = np.clip(archs, 0, self.sizes - 1)
    return Tiny.indices(self, archs)


def nothing_flat(self, archs):
    found = Tiny.indices(self, archs)
    return found if len(found) else found.reshape(-1)


def tidied(self, arch):
    return Tiny.costs(self, arch if isinstance(arch, str) else np.clip(arch, 0, self.sizes - 1))


def priced(**more):
    """Costs with something added to each, given the architecture."""

    def costs(self, arch):
        found = Tiny.costs(self, arch)
        names = ("flops", "parameters", "activation_bytes")
        return type(found)(*(getattr(found, n) + int(more.get(n, zero)(arch)) for n in names))

    def zero(arch):
        return 0

    return costs


def endless(self, arch, batch=1, resolution=None):
    model = Tiny.build(self, arch, batch, resolution)
    for tensor in model.graph.initializer:
        if tensor.name.endswith(".scale"):
            tensor.raw_data = np.full(tensor.dims, np.inf, dtype=np.float32).tobytes()
    return model


def similar(name="tiny", component=None):
    part = Linear() if component is None else component
    return lambda self: Similarity(name, (Linear(),), (part,))


class Lonely(Component):
    """Maps the first row alone."""

    def fit(self, features, cost, rng):
        return lambda rows: rows[:1]


class Boundless(Component):
    """Maps to what is no number."""

    def fit(self, features, cost, rng):
        return lambda rows: np.full_like(rows, np.nan)


def loose(self, text):
    """Takes a text as it stands."""
    if text != text.strip():
        raise OptionError(f"{text!r} has space around it; remove it")
    return Tiny.parse(self, text)


def chatty(self, text):
    try:
        return Tiny.parse(self, text)
    except OptionError as error:
        raise OptionError(f"{error}\nand more") from error


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
    ({"format": turned}, "texts give back their rows"),
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
    ({"indices": nothing_flat}, "no text gives no row"),
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
    ({"canonical": meddling}, "canonical leaves its argument as it was"),
    ({"canonical": shallower}, "canonical is idempotent"),
    ({"canonical": careless}, "canonical only clears unused positions"),
    ({"canonical": narrow}, "canonical keeps the architecture"),
    ({"costs": priced(flops=np.sum)}, "positions that are not used cost nothing"),
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
    ({"mutate": in_place}, "mutation leaves the parents as they were"),
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
    ({"crossover": one_parent}, "a child of one parent is that parent"),
]
REFUSALS = [
    ({"parse": loose}, "space around a text is ignored"),
    ({"parse": chatty}, "the error for the text '' is one line"),
    ({"parse": forgiving}, "the text ''" + ENDING),
    ({"format": padded}, "one choice too few" + ENDING),
    ({"format": replaced}, "an unknown choice" + ENDING),
    ({"indices": sized}, "a text that is not in a list" + ENDING),
    ({"indices": texts_alone}, "a list of texts and numbers" + ENDING),
    ({"indices": clipped}, f"the row {np.append(ROWS[0, :-1], 3)}" + ENDING),
    ({"costs": tidied}, "the cost of a row out of range" + ENDING),
]
COSTS = [
    (
        {"costs": priced(flops=lambda arch: isinstance(arch, str))},
        "a text and its row cost the same",
    ),
    ({"costs": priced(flops=lambda arch: -1e9)}, "FLOPs, parameters and bytes are positive"),
    ({"flops": lambda self, archs: Tiny.flops(self, archs) + 1}, "flops are those of costs"),
    ({"parameters": lambda self, archs: Tiny.parameters(self, archs) + 1}, "so are parameters"),
]
SIMILARITY = [
    ({"similarity": lambda self: "tiny"}, "a similarity is a Similarity"),
    ({"similarity": similar("other")}, "a similarity bears the name of the space"),
    ({"similarity": similar(component=Lonely())}, "a component maps row by row"),
    ({"similarity": similar(component=Boundless())}, "what a component maps to is finite"),
]
BUILD = [
    (
        {"build": lambda self, arch, **sizes: Tiny.build(self, "1:aa", **sizes)},
        "a model holds all its parameters",
    ),
    ({"build": endless}, "what a model computes is finite"),
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
    check_space(broken(build=endless), build=False)
