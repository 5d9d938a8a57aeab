"""Search spaces: names, features and similarities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.spaces.base import Space
from hwprof.spaces.cells import Dropped
from hwprof.spaces.fbnet import block_tables

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"
NET = " ".join(["k3_e1", "k5_e6", "skip", "k3_e1_g2"] * 5 + ["k5_e3", "skip"])
FIXED = ("fbnet", "nasbench201")


def test_names_and_get():
    assert {"fbnet", "nasbench201"} < set(spaces.names())
    assert spaces.get("fbnet").name == "fbnet"
    with pytest.raises(OptionError, match=r"choose among bert, fbnet, .*nasbench201"):
        spaces.get("darts")


@pytest.mark.parametrize(("name", "text"), [("nasbench201", CELL), ("fbnet", NET)])
def test_format_is_the_inverse_of_parse(name, text):
    space = spaces.get(name)
    choices = space.parse(text)
    assert len(choices) == len(space.positions)
    assert space.format(choices) == text
    assert space.parse(f"  {text}\n") == choices


@given(st.data())
def test_every_choice_has_a_string(data):
    space = spaces.get(data.draw(st.sampled_from(FIXED)))
    one, count = st.sampled_from(space.operations), len(space.positions)
    choices = tuple(data.draw(st.lists(one, min_size=count, max_size=count)))
    assert space.parse(space.format(choices)) == choices


def test_features_are_one_hot_by_position():
    space = spaces.get("nasbench201")
    features = space.encode([CELL, CELL])
    assert features.dtype == np.float32
    assert features.shape == (2, space.width) == (2, 30)
    chosen = features[0].reshape(6, 5)
    assert chosen.sum(axis=1).tolist() == [1] * 6
    assert [space.operations[i] for i in chosen.argmax(axis=1)] == list(space.parse(CELL))
    assert spaces.get("fbnet").encode([NET]).shape == (1, 198)
    assert space.encode([]).shape == (0, 30)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nasbench201", ""),
        ("nasbench201", "|none~0|"),
        ("nasbench201", CELL.replace("~2", "~1")),
        ("nasbench201", CELL.replace("none~2", "conv~2")),
        ("nasbench201", CELL + "+|none~0|"),
        ("fbnet", "skip"),
        ("fbnet", NET.replace("k5_e3", "k7_e3")),
        ("fbnet", NET + " skip"),
    ],
)
def test_other_strings_are_refused(name, text):
    with pytest.raises(OptionError):
        spaces.get(name).encode([text])


def test_a_single_string_is_refused():
    with pytest.raises(OptionError, match="in a list"):
        spaces.get("fbnet").encode(NET)


def test_fbnet_blocks_cost_what_they_should():
    descriptors, physics = block_tables()
    assert descriptors.shape == (198, 7)
    assert physics.shape == (198, 14)
    blocks = physics.reshape(22, 9, 14)
    names = spaces.get("fbnet").operations
    cost = {name: blocks[:, i] for i, name in enumerate(names)}
    assert not cost["skip"].any()
    # The first block, 16 to 16 channels at 32 x 32: expansion 1 is two products of 16 x 16.
    assert cost["k3_e1"][0, 0] == 2 * 16 * 16 * 32 * 32
    assert (cost["k3_e6"][:, 0] > cost["k3_e3"][:, 0]).all()
    assert (cost["k5_e1"][:, 2] > cost["k3_e1"][:, 1]).all()
    assert (2 * cost["k3_e1_g2"][:, 0] == cost["k3_e1"][:, 0]).all()
    assert (physics >= 0).all()


def test_nasbench201_kernel_counts_operations():
    similarity = spaces.get("nasbench201").similarity()
    features = spaces.get("nasbench201").encode([CELL])
    counts, dropped = similarity.transfer
    assert (features @ counts.matrix).tolist() == [[1, 1, 1, 1]]
    assert isinstance(dropped, Dropped)
    # Devices, an overhead or none, counts, and dropped operations or none.
    assert similarity.amplitudes.shape == (4 * 2 * 4 * 2, 4)


@pytest.mark.parametrize("name", ["fbnet", "gpt", "mobilenetv3", "nasbench201", "transformer"])
def test_the_own_resolution_is_what_the_model_has(name):
    space = spaces.get(name)
    arch = space.texts(space.sample(1, np.random.default_rng(3)))[0]
    assert space.resolution(arch) == Space.resolution(space, arch) > 1
    with pytest.raises(OptionError):
        space.resolution("no architecture")
