"""Every registered space keeps the laws; broken ones are caught."""

import numpy as np
import pytest

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Linear, Similarity
from hwprof.spaces.base import Position, Space
from hwprof.testing.spaces import check_space
from tests.spaces.tiny import Tiny


@pytest.mark.parametrize("name", spaces.names(plugins=()))
def test_every_space_keeps_the_laws(name):
    # Models of hundreds of megabytes are built and run by the tests of their own space.
    check_space(spaces.get(name), build=name not in ("gpt", "transformer"))


class Upper(Tiny):
    name = "Tiny"


class Twins(Tiny):
    positions = (*Tiny.positions[:4], Tiny.positions[3])


class Forgetful(Tiny):
    def format(self, choices):
        return super().format([choices[0], "a", *choices[2:]])


class Loud(Tiny):
    def parse(self, text):
        try:
            return super().parse(text)
        except OptionError as error:
            raise ValueError(str(error)) from error


class Chatty(Tiny):
    def parse(self, text):
        try:
            return super().parse(text)
        except OptionError as error:
            raise OptionError(f"{error}\nand more") from error


class Careless(Tiny):
    def canonical(self, rows):
        clean = super().canonical(rows)
        clean[:, 4] = np.where(rows[:, 0] == 2, rows[:, 4], 1)
        return clean


class Meddling(Tiny):
    def canonical(self, rows):
        rows[:] = super().canonical(rows)
        return rows


class Double(Tiny):
    def encode(self, archs):
        return super().encode(archs) * 2


class Wide(Tiny):
    def encode(self, archs):
        return super().encode(archs).astype(np.float64)


class Stuck(Tiny):
    def mutate(self, rows, rng, rate=None):
        return self.indices(rows)


class Foreign(Tiny):
    def crossover(self, one, other, rng):
        return self.sample(len(one), rng)


class Random(Tiny):
    def sample(self, n, rng):
        return super().sample(n, np.random.default_rng())


class Free(Tiny):
    def costs(self, arch):
        costs = super().costs(arch)
        return type(costs)(0, costs.parameters, costs.activation_bytes)


class Wasteful(Tiny):
    def costs(self, arch):
        costs = super().costs(arch)
        extra = int(np.sum(arch)) if not isinstance(arch, str) else 0
        return type(costs)(costs.flops + extra, costs.parameters, costs.activation_bytes)


class Miscounted(Tiny):
    def flops(self, archs):
        return super().flops(archs) + 1


class Nameless(Tiny):
    def similarity(self):
        return Similarity("other", (Linear(),), (Linear(),))


class Endless(Tiny):
    def build(self, arch, batch=1, resolution=None):
        model = super().build(arch, batch, resolution)
        for tensor in model.graph.initializer:
            if tensor.name.endswith(".scale"):
                tensor.raw_data = np.full(tensor.dims, np.inf, dtype=np.float32).tobytes()
        return model


class Empty(Tiny):
    def build(self, arch, batch=1, resolution=None):
        return super().build(arch, max(batch, 1), resolution)


class Many(Tiny):
    positions = (Position("depth", ("1", "1", "3")), *Tiny.positions[1:])


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Upper, "lower-case"),
        (Twins, "unique"),
        (Many, "choices of a position differ"),
        (Forgetful, "texts give back their rows|different texts|encode alike"),
        (Chatty, "is one line"),
        (Careless, "canonical only clears"),
        (Meddling, "canonical leaves"),
        (Double, "one-hot"),
        (Wide, "float32"),
        (Stuck, "mutation changes"),
        (Foreign, "takes after its parents"),
        (Random, "decided by the generator"),
        (Free, "positive"),
        (Wasteful, "cost nothing|cost the same"),
        (Miscounted, "flops are those of costs"),
        (Nameless, "bears the name"),
        (Endless, "finite"),
        (Empty, "a batch of 0"),
    ],
)
def test_broken_spaces_are_caught(broken, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_space(broken())


def test_other_errors_are_not_swallowed():
    with pytest.raises(ValueError, match="tiny architecture"):
        check_space(Loud())


def test_models_can_be_left_out():
    check_space(Endless(), build=False)


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
