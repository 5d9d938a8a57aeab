"""Parts of a space that each break one law; `broken` puts them into the smallest space."""

from dataclasses import replace

import numpy as np

from hwprof.errors import OptionError
from hwprof.similarity import Component, Linear, Similarity
from hwprof.spaces.work import Work
from tests.spaces.tiny import Tiny


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


def flat(self, archs):
    found = Tiny.analytic(self, archs)
    return found if len(found) else found.reshape(-1)


def overworked(self, arch):
    found = Tiny.costs(self, arch)
    return replace(found, work=Work(arithmetic=found.flops))


def machines(component):
    return lambda self: replace(similar()(self), analytic=component)


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
