"""Fitted pools that are kept: the same predictor, sooner, or one that is fitted anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hwprof import spaces
from hwprof.metrics import METRICS
from hwprof.predictors import fitting
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.fitting import fit_cached
from hwprof.predictors.known import known_devices
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.setting import Setting
from hwprof.similarity import PLAIN, Component, FeatureMap, Linear, Similarity


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HWPROF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fitted"


@pytest.fixture
def pool() -> DevicePool:
    return a_pool()


def a_pool(**more: object) -> DevicePool:
    rng = np.random.default_rng(0)
    features = rng.integers(0, 3, (40, 4)).astype(float)
    values = (1 + features @ rng.random((4, 3))) * 1e-3
    given = {"features": features, "values": values, "devices": ("a", "b", "c"), **more}
    return DevicePool(**given)  # type: ignore[arg-type]


class Fits:
    """Counts fits."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def test_the_second_time_nothing_is_fitted(folder: Path, pool: DevicePool) -> None:
    fits = Fits()
    for _ in range(2):
        fit_cached(pool, PLAIN, announce=fits)
    assert fits.count == 1
    assert len(files(folder)) == 1


@pytest.mark.parametrize("space", ["nasbench201", "mobilenetv3"])
def test_what_is_kept_selects_and_adapts_as_what_was_fitted(folder: Path, space: str) -> None:
    known = known_devices(space)
    small = fitting_of(known.pool)
    similarity = known.space.similarity()
    fresh, kept = (fit_cached(small, similarity) for _ in range(2))
    assert fresh is not kept
    chosen = fresh.select(8)
    assert np.array_equal(kept.select(8), chosen)
    values = (1 + np.arange(8) / 8) * small.values[chosen, 0]
    one, other = (p.adapt(chosen, values, check_units=False) for p in (fresh, kept))
    rows = np.arange(len(small.features))
    assert np.array_equal(one.predict(rows).mean, other.predict(rows).mean)
    assert np.array_equal(one.predict(rows).quantile(0.9), other.predict(rows).quantile(0.9))
    features = small.features
    assert np.array_equal(one.predict(features).mean, other.predict(features).mean)
    assert one.warnings == other.warnings
    assert one.embedding.resembles() == other.embedding.resembles()


def fitting_of(pool: DevicePool) -> DevicePool:
    """Some rows, which fit sooner."""
    rows = np.random.default_rng(1).choice(pool.rows, 150, replace=False)
    return DevicePool(pool.features[rows], pool.values[rows], pool.devices)


@pytest.mark.parametrize(
    "other",
    [
        lambda p: (a_pool(values=p.values * (1 + 1e-15 * (np.arange(3) == 1))), PLAIN, 0),
        lambda p: (a_pool(features=p.features + 1), PLAIN, 0),
        lambda p: (a_pool(devices=("a", "b", "d")), PLAIN, 0),
        lambda p: (a_pool(names=[f"n{i}" for i in range(40)]), PLAIN, 0),
        lambda p: (a_pool(metric=METRICS["energy"]), PLAIN, 0),
        lambda p: (a_pool(setting=Setting("fbnet", batch=8)), PLAIN, 0),
        lambda p: (p, replace(PLAIN, name="other"), 0),
        lambda p: (p, replace(PLAIN, noises=(0.01, 0.1)), 0),
        lambda p: (p, replace(PLAIN, transfer=(Linear(np.eye(4)), PLAIN.transfer[1])), 0),
        lambda p: (p, PLAIN, 1),
    ],
)
def test_whatever_is_another_is_fitted_anew(
    folder: Path,
    pool: DevicePool,
    other: Callable[[DevicePool], tuple[DevicePool, Similarity, int]],
) -> None:
    fits = Fits()
    fit_cached(pool, PLAIN, announce=fits)
    changed, similarity, seed = other(pool)
    fit_cached(changed, similarity, seed=seed, announce=fits)
    assert fits.count == 2
    fit_cached(changed, similarity, seed=seed, announce=fits)
    assert fits.count == 2


def test_another_version_or_code_fits_anew(
    folder: Path, pool: DevicePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = Fits()
    fit_cached(pool, PLAIN, announce=fits)
    for name, value in (("__version__", "0.0.0"), ("FIT", 0), ("_code", lambda: b"other")):
        with monkeypatch.context() as patch:
            patch.setattr(fitting, name, value)
            fit_cached(pool, PLAIN, announce=fits)
    assert fits.count == 4


@pytest.mark.parametrize("damage", ["cut", "text", "other", "folder"])
def test_what_is_damaged_is_fitted_anew(folder: Path, pool: DevicePool, damage: str) -> None:
    fits = Fits()
    sound = fit_cached(pool, PLAIN, announce=fits)
    (path,) = files(folder)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "text":
        path.write_text("a text")
    elif damage == "other":
        FewShotPredictor.fit(a_pool(devices=("x", "y", "z"))).save(path)
    else:
        path.unlink()
        path.mkdir()
    again = fit_cached(pool, PLAIN, announce=fits)
    assert fits.count == 2
    assert np.array_equal(again.select(3), sound.select(3))
    if damage != "folder":
        fit_cached(pool, PLAIN, announce=fits)
        assert fits.count == 2


def test_a_cache_that_cannot_be_written_is_done_without(
    pool: DevicePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HWPROF_CACHE", str(tmp_path / "file"))
    assert len(fit_cached(pool, PLAIN).select(3)) == 3
    assert (tmp_path / "file").read_text() == ""


def test_those_used_last_are_kept(
    folder: Path, pool: DevicePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "KEPT", 2)
    fit_cached(pool, PLAIN)
    (first,) = files(folder)
    fit_cached(pool, PLAIN, seed=1)
    (second,) = set(files(folder)) - {first}
    os.utime(first, (1, 1))
    os.utime(second, (2, 2))
    # Used: now it is the newest.
    fit_cached(pool, PLAIN)
    fit_cached(pool, PLAIN, seed=2)
    assert first in files(folder)
    assert second not in files(folder)
    assert len(files(folder)) == 2


class Foreign(Component):
    """Of a package that is not hwprof, whose code may change."""

    def fit(self, *arguments: object) -> FeatureMap:
        return Linear().fit(*arguments)  # type: ignore[arg-type]


def test_a_similarity_of_others_is_not_kept(folder: Path, pool: DevicePool) -> None:
    fits = Fits()
    own = Similarity("own", (Foreign(),), (Linear(),))
    for _ in range(2):
        fit_cached(pool, own, announce=fits)
    assert fits.count == 2
    assert files(folder) == []


@pytest.mark.parametrize(
    ("variables", "where"),
    [
        ({"HWPROF_CACHE": "/own"}, "/own/fitted"),
        ({"HWPROF_CACHE": "", "XDG_CACHE_HOME": "/xdg"}, "/xdg/hwprof/fitted"),
        ({"HWPROF_CACHE": "", "XDG_CACHE_HOME": "relative", "HOME": "/me"},
         "/me/.cache/hwprof/fitted"),
        ({"HWPROF_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/me"}, "/me/.cache/hwprof/fitted"),
    ],
)  # fmt: skip
def test_where_it_is(
    variables: dict[str, str], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert fitting.folder() == Path(where)


def test_every_space_of_hwprof_is_kept() -> None:
    for name in spaces.names():
        assert None not in list(fitting._parts(spaces.get(name).similarity())), name
