"""The models of the spaces stay as they are, to the byte: tables know a model by its content."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from hwprof import spaces

# The first 16 digits of the SHA-256 of three sampled architectures.
STORED = {
    "bert": ["7161356c08e6c0da", "6174b950fd44aa00", "11a681a144327e7c"],
    "fbnet": ["8e3fda9246a97b7c", "c772e6f1fafddaef", "82f15def6ba74223"],
    "gpt": ["f3b4818e514569e1", "e3b5f3e9096fec22", "3273e337bd3176c4"],
    "mobilenetv3": ["4931518420dbdce7", "72c1d19656fff67a", "d592c61386f67990"],
    "nasbench201": ["087872253b9c0c56", "ffb6bc82d72c8e7e", "b24783e50845b195"],
    "resnet50": ["d3b74c8528bd3d4d", "6adf9a5d02e1874d", "27cfac695a206984"],
    "transformer": ["b482478c155c1154", "887e7b6e726f7ea2", "a9bbd79441c606da"],
    "vit": ["98b76d1d46ef5da5", "def7a0cf09366630", "85a9a81e0e25d4a8"],
}


@pytest.mark.parametrize("name", STORED)
def test_models_are_the_stored_ones(name: str) -> None:
    space = spaces.get(name)
    texts = space.texts(space.sample(3, np.random.default_rng(0)))
    found = []
    for text in texts:
        data = space.build(text).SerializeToString(deterministic=True)
        found.append(hashlib.sha256(data).hexdigest()[:16])
    assert found == STORED[name]
