"""Sizes that networks can take, and channels that runtimes like."""

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.spaces.sizes import check_image, check_sequence, divisible


@pytest.mark.parametrize(
    ("batch", "side", "sentence"),
    [
        (0, 32, "batch must be a whole number from 1, but is 0"),
        (1.5, 32, "batch must"),
        (True, 32, "batch must"),
        (1, 8, "a multiple of 4 from 12, but is 8"),
        (1, 33, "but is 33"),
        (1, 32.0, "but is 32.0"),
    ],
)
def test_sizes_that_a_network_cannot_take(batch, side, sentence):
    with pytest.raises(OptionError, match=sentence):
        check_image("a space", batch, side, least=12, step=4)


def test_numpy_numbers_are_sizes():
    check_image("a space", np.int64(2), np.int32(12), least=12, step=4)


@pytest.mark.parametrize(
    ("value", "channels"), [(3, 8), (41.6, 40), (20, 24), (166.4, 168), (90, 88), (11, 16)]
)
def test_channels_are_divisible(value, channels):
    assert divisible(value) == channels


@pytest.mark.parametrize(
    ("batch", "length", "sentence"),
    [
        (0, 8, "batch must be a whole number from 1, but is 0"),
        (1, 0, "from 1 to 16, but is 0; give another"),
        (1, 17, "from 1 to 16, but is 17"),
        (1, True, "but is True"),
        (1, 8.0, "but is 8.0"),
    ],
)
def test_lengths_that_a_network_cannot_take(batch, length, sentence):
    with pytest.raises(OptionError, match=sentence):
        check_sequence("a space", batch, length, longest=16)
