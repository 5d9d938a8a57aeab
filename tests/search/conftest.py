from __future__ import annotations

import numpy as np
import pytest

from hwprof.predictors import pools, shipped
from hwprof.predictors.fewshot import AdaptedFewShot, FewShotPredictor
from tests.search.toys import WEIGHTS, Sum


@pytest.fixture(scope="session")
def cells() -> FewShotPredictor:
    """The shipped predictor of nasbench201."""
    return shipped.fit_shipped("nasbench201")


@pytest.fixture(scope="session")
def blocks() -> FewShotPredictor:
    """The shipped predictor of fbnet."""
    return shipped.fit_shipped("fbnet")


@pytest.fixture(scope="session")
def raspi(cells: FewShotPredictor) -> AdaptedFewShot:
    pool = pools.load("nasbench201")
    chosen = cells.select(10)
    return cells.adapt(chosen, pool.latency_s[chosen, pool.devices.index("raspi4")])


@pytest.fixture
def toy() -> Sum:
    return Sum(WEIGHTS)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
