"""DevicePool: what it accepts, what it refuses by name, what it flags."""

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.predictors.pool import DevicePool, Flag, assess, check_features, common_step

X = np.arange(12.0).reshape(6, 2)
Y = np.linspace(1e-3, 2e-3, 12).reshape(6, 2)


def test_holds_what_it_is_given_and_cannot_be_changed():
    pool = DevicePool(X, Y, ["a", "b"], [f"arch{i}" for i in range(6)])
    assert (pool.rows, pool.width, pool.devices) == (6, 2, ("a", "b"))
    assert pool.label(3) == "row 3 (arch3)"
    with pytest.raises(ValueError, match="read-only"):
        pool.latency_s[0, 0] = 1.0
    assert Y.flags.writeable


@pytest.mark.parametrize("value", [0.0, -1e-3, np.inf, -np.inf])
def test_names_bad_cells(value):
    broken = Y.copy()
    broken[4, 1] = value
    with pytest.raises(OptionError, match=r"row 4 on b = .*correct them or set them to NaN"):
        DevicePool(X, broken, ["a", "b"])


def test_names_only_some_of_many_bad_cells():
    with pytest.raises(OptionError, match=r"12 cells .*, \.\.\.\)"):
        DevicePool(X, -Y, ["a", "b"])


@pytest.mark.parametrize(
    ("features", "latency", "devices", "names", "message"),
    [
        (X[:5], Y, ["a", "b"], None, "one row per architecture"),
        (X, Y, ["a"], None, "one column per device"),
        (X, Y[:, :1], ["a"], None, "at least 2 devices"),
        (X, Y, ["a", "a"], None, "repeats 'a'"),
        (X, Y, ["a", ""], None, "non-empty"),
        (X, Y, ["a", "b"], ["only one"], "names must have one entry"),
        (X[:, 0], Y, ["a", "b"], None, "2-d"),
        (X * np.nan, Y, ["a", "b"], None, "row 0 feature 0"),
        (np.zeros((6, 0)), Y, ["a", "b"], None, "not be empty"),
        ([["x", "y"]] * 6, Y, ["a", "b"], None, "numbers"),
    ],
)
def test_refuses_what_does_not_fit(features, latency, devices, names, message):
    with pytest.raises(OptionError, match=message):
        DevicePool(features, latency, devices, names)


def test_refuses_a_device_without_measurements():
    sparse = Y.copy()
    sparse[1:, 1] = np.nan
    with pytest.raises(OptionError, match="device 'b' has 1 measured"):
        DevicePool(X, sparse, ["a", "b"])


def test_devices_need_not_share_an_architecture():
    apart = Y.copy()
    apart[:3, 0] = np.nan
    apart[3:, 1] = np.nan
    pool = DevicePool(X, apart, ["a", "b"])
    assert pool.measured.sum(axis=0).tolist() == [3, 3]
    assert not pool.measured.all(axis=1).any()


def test_subset_keeps_the_order_asked_for():
    pool = DevicePool(X, Y, ["a", "b"])
    turned = pool.subset(["b", "a"])
    assert turned.devices == ("b", "a")
    assert np.array_equal(turned.latency_s, Y[:, ::-1])
    with pytest.raises(OptionError, match="no device 'c'"):
        pool.subset(["a", "c"])


def test_check_features_names_the_width_it_wants():
    with pytest.raises(OptionError, match="must be 3 wide"):
        check_features(X, 3)


def test_flags():
    rng = np.random.default_rng(0)
    smooth = rng.gamma(50, 2e-4, 400)
    assert assess("smooth", smooth).flags == frozenset()
    coarse = assess("coarse", np.round(smooth, 3))
    assert coarse.flags == {Flag.QUANTISED}
    assert coarse.step_s == pytest.approx(1e-3, rel=1e-3)
    formula = rng.choice(np.sqrt(np.arange(20, 40)) * 1e-3, 400)
    assert assess("formula", formula).flags == {Flag.TIED}
    tail = smooth.copy()
    tail[:8] = 1.0
    assert Flag.HEAVY_TAIL in assess("tail", tail).flags
    low = smooth.copy()
    low[0] = 1e-6
    assert Flag.NEAR_ZERO in assess("low", low).flags
    pool = DevicePool(np.ones((400, 1)), np.stack([smooth, low], 1), ["smooth", "low"])
    assert [quality.cells for quality in pool.quality()] == [400, 400]


def test_a_step_needs_enough_distinct_values():
    assert common_step(np.array([1e-3, 2e-3, 3e-3])) is None
    assert common_step(np.full(10, 1e-3)) is None
