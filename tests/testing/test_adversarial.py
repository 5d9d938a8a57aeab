"""The hard cases are what they say, and find what is wrong with a predictor."""

import json
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.predictors.base import AdaptedPredictor, Prediction, Predictor
from hwprof.predictors.baselines import RidgeRegression
from hwprof.predictors.baselines.nnls import DeviceMixture
from hwprof.testing.adversarial import (
    Measuring,
    Outcome,
    cases,
    check_adversarial,
    measured,
    oracle,
    plain,
    quick_cases,
    run_case,
    run_cases,
    spaces,
    suite,
)
from hwprof.testing.adversarial.targets import TARGETS
from hwprof.testing.adversarial.world import rng_of

EVERY = cases()
BY_NAME = {case.name: case for case in EVERY}
EASY = BY_NAME["plain-3, clean, random, k=10"]
UNUSUAL = BY_NAME["plain-3, square, random, k=10"]
CLEAN = plain.plain(10).new_s


class Normal(Prediction):
    """Normals, of which some figures may be replaced."""

    def __init__(self, mean, std, quantile=None):
        self.mean_s, self.std_s, self.given = mean, std, quantile

    mean_s = std_s = None

    def quantile(self, q):
        if self.given is not None:
            return self.given(self.mean_s, q)
        # Symmetric, positive and wide enough: what is asked of the shape here.
        return self.mean_s * np.exp((2 * q - 1) * self.std_s / self.mean_s)


@dataclass
class Told(AdaptedPredictor):
    """Knows the latencies of the device; `bend` makes a prediction of them."""

    latency_s: np.ndarray
    bend: object
    told: tuple = ()

    @property
    def warnings(self):
        return self.told

    def predict(self, architectures):
        return self.bend(self.latency_s[architectures])

    def update(self, indices, latency_s, std_error_s=None):
        return self


def sound(latency_s):
    return Normal(latency_s, 0.2 * latency_s)


class Teller(Predictor):
    """A predictor that was told what the new devices of one case are."""

    def __init__(self, case, bend=sound, told=(), adapt=None):
        self.case, self.bend, self.told, self.change = case, bend, told, adapt

    @classmethod
    def fit(cls, pool, *, similarity=None, seed=0):
        raise NotImplementedError

    def select(self, k, candidates=None, exclude=None):
        return np.array(candidates[-k:])

    def adapt(self, indices, latency_s, device=None, std_error_s=None):
        if self.change is not None:
            self.change()
        observed = self.case.observed
        (column,) = np.flatnonzero((latency_s == observed.measured_s[indices].T).all(axis=1))
        return Told(observed.truth_s[:, column], self.bend, self.told)


def outcome_of(case=EASY, **changes):
    return run_case(lambda pool, similarity=None: Teller(case, **changes), case, seeds=(0,))


# -- the suite ------------------------------------------------------------------------------------


def test_rows_have_names_of_their_own_which_say_what_they_are():
    assert len(BY_NAME) == len(EVERY)
    for case in EVERY:
        parts = (case.world.name, case.target, case.measuring.value, f"k={case.k}")
        assert case.name == ", ".join(parts)


def test_everything_that_was_asked_for_is_tried():
    assert {case.target for case in EVERY} == set(TARGETS)
    assert {case.measuring for case in EVERY} == set(Measuring)
    assert {case.k for case in EVERY} == {3, 5, 10, 20, 50}
    plain_sizes = {len(case.pool.devices) for case in EVERY if case.world.name.startswith("plain")}
    assert plain_sizes == {2, 3, 5, 10, 50}


def test_rows_can_be_asked_for_by_what_their_names_hold():
    found = cases("plain-2, square")
    assert [case.name for case in found] == [n for n in BY_NAME if "plain-2, square" in n]
    assert cases("no such row") == ()


def test_the_quick_rows_are_few_and_on_two_pools():
    quick = quick_cases()
    assert len(quick) == len(suite._QUICK)
    assert len({id(case.pool) for case in quick}) == 2


def test_cases_are_the_same_each_time():
    (again,) = cases(UNUSUAL.name)
    suite._observed.cache_clear()
    (anew,) = cases(UNUSUAL.name)
    assert anew.required_rank == again.required_rank == UNUSUAL.required_rank
    np.testing.assert_array_equal(anew.observed.measured_s, UNUSUAL.observed.measured_s)
    np.testing.assert_array_equal(anew.rows(1), UNUSUAL.rows(1))
    assert not np.array_equal(anew.rows(1), anew.rows(2))


def test_warnings_excuse_only_what_is_unusual():
    ordinary = {case.world.name for case in EVERY if not case.excusable}
    assert ordinary == {"plain-10", "plain-50", "cells"}
    assert {case.target for case in EVERY if not case.excusable} == {"clean"}


# -- targets --------------------------------------------------------------------------------------


def observed(name):
    return TARGETS[name](CLEAN, 0.02, rng_of("test"))


def test_ties_are_exact_and_few():
    assert all(len(np.unique(column)) <= 8 for column in observed("ties").measured_s.T)


def test_ticks_are_whole_milliseconds():
    ticked = observed("ticks of 1 ms").measured_s * 1e3
    np.testing.assert_allclose(ticked, np.round(ticked), atol=1e-9)
    assert ticked.min() >= 1
    np.testing.assert_allclose(np.median(ticked, axis=0), 4, atol=1)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("clean", CLEAN),
        ("reversed", CLEAN.max(axis=0) + CLEAN.min(axis=0) - CLEAN),
        ("times 100", 100 * CLEAN),
        ("over 100", CLEAN / 100),
        ("overhead x1", CLEAN + np.median(CLEAN, axis=0)),
        ("overhead x10", CLEAN + 10 * np.median(CLEAN, axis=0)),
        ("square", CLEAN**2 / np.median(CLEAN, axis=0)),
        ("root", np.sqrt(CLEAN * np.median(CLEAN, axis=0))),
        ("cube", CLEAN**3 / np.median(CLEAN, axis=0) ** 2),
    ],
)
def test_laws_are_what_they_are_called_and_measured_with_noise(name, wanted):
    found = observed(name)
    np.testing.assert_allclose(found.clean_s, wanted)
    noise = np.log(found.measured_s / wanted)
    assert 0.015 < noise.std() < 0.025
    assert found.truth_s is found.measured_s


@pytest.mark.parametrize(("name", "deviation"), [("noise 60 %", 0.6), ("noise 30 %", 0.3)])
def test_noise_is_as_loud_as_it_is_called(name, deviation):
    found = observed(name)
    noise = np.log(found.measured_s / found.clean_s).std()
    assert noise == pytest.approx(deviation, rel=0.1)
    np.testing.assert_array_equal(found.clean_s, CLEAN)


@pytest.mark.parametrize(("name", "share"), [("outliers 20 %", 0.2), ("outliers 10 %", 0.1)])
def test_outliers_are_tenfold_and_none_is_judged_on(name, share):
    found = observed(name)
    factor = found.measured_s / found.truth_s
    assert set(np.unique(np.round(factor, 9))) == {1.0, 10.0}
    np.testing.assert_allclose((factor > 5).mean(axis=0), share)
    assert np.abs(np.log(found.truth_s / CLEAN)).max() < 0.2


@pytest.mark.parametrize("name", TARGETS)
def test_targets_are_latencies(name):
    found = observed(name)
    for values in (found.measured_s, found.truth_s, found.clean_s):
        assert values.shape == CLEAN.shape
        assert (values > 0).all()
        assert np.isfinite(values).all()


# -- pools ----------------------------------------------------------------------------------------


def decades(latency_s):
    return np.log10(latency_s.max(axis=0) / latency_s.min(axis=0))


def test_siblings_hardly_differ():
    likeness = np.corrcoef(plain.siblings().pool.latency_s.T)
    assert likeness.shape == (14, 14)
    assert likeness[:10, :10].min() > 0.99 > np.median(likeness[:10, 10:])


def test_the_small_pool_was_measured_on_its_smallest_tenth():
    world = plain.small_only()
    known = world.pool.measured.any(axis=1)
    assert known.mean() == 0.1
    assert world.pool.measured[known].all()
    assert world.size[known].max() < world.size[~known].min()


def test_no_two_devices_of_the_disjoint_pool_share_an_architecture():
    assert (plain.disjoint().pool.measured.sum(axis=1) == 1).all()


def test_the_zoo_and_the_cubes_span_decades():
    assert np.median(decades(spaces.zoo().new_s)) > 3.9
    assert decades(plain.cubic().new_s).min() > 4
    assert decades(plain.plain(10).new_s).max() < 2


def test_most_of_the_pool_is_of_one_kind():
    likeness = np.corrcoef(plain.one_kind().pool.latency_s.T)
    assert np.median(likeness[:15, :15]) > 0.85 > np.median(likeness[:15, 15:])


def dead_cells():
    """Cells without a way from the input to the output."""
    chosen = spaces.cells_run().pool.features.reshape(spaces.ROWS, 6, 5)
    return (chosen[:, [0, 1, 3], 0] == 1).all(axis=1)


def test_new_devices_run_or_drop_dead_operations():
    dead = dead_cells()
    assert dead.sum() >= 2
    running, dropping = (
        (world.new_s / np.median(world.new_s, axis=0))[dead]
        for world in (spaces.cells_run(), spaces.cells_dropped())
    )
    assert running.max() > 0.5
    assert dropping.max() < 0.05
    relative = spaces.cells_dropped().pool.latency_s / np.median(
        spaces.cells_dropped().pool.latency_s, axis=0
    )
    assert (relative[dead].max(axis=0) < 0.05).tolist() == [False] * 7 + [True]
    assert spaces.cells_unseen().pool.devices == spaces.cells_run().pool.devices[:-1]


def test_blocks_are_ranked_better_by_arithmetic_than_by_the_pool():
    world = spaces.blocks()
    for new in world.new_s.T:
        by_proxy = oracle.rank_correlation(world.proxy, new)
        assert by_proxy > 0.97 > oracle.rank_correlation(oracle.mean_device(world), new)


def test_no_new_device_is_in_the_pool_that_ships_without_it():
    for world in (measured.no_pixel(), measured.no_phones()):
        for new in world.new_s.T:
            assert not (world.pool.latency_s == new[:, None]).all(axis=0).any()
    gpus = [name for name in measured.no_phones().pool.devices if "ti" in name]
    assert len(gpus) == 15


# -- what is measured -----------------------------------------------------------------------------


@pytest.mark.parametrize(("measuring", "end"), [("smallest", 0), ("largest", -1)])
def test_extremes_are_drawn_from_a_tenth(measuring, end):
    case = next(c for c in EVERY if c.measuring == measuring and c.k == 10)
    order = np.argsort(case.world.size)
    tenth = (order[:40], order[-40:])[end]
    rows = case.rows(0)
    assert len(set(rows.tolist())) == 10
    assert set(rows.tolist()) <= set(tenth.tolist())
    with pytest.raises(OptionError, match="at most 40"):
        replace(case, k=50).rows(0)


def test_designed_rows_are_selected_among_a_half():
    case = BY_NAME["plain-3, clean, designed, k=10"]
    predictor = Teller(case)
    rows = case.rows(0, predictor)
    assert len(rows) == 10
    assert rows.tolist() == case.rows(0, predictor).tolist()
    assert rows.tolist() != case.rows(1, predictor).tolist()


# -- requirements ---------------------------------------------------------------------------------


def test_ridge_recovers_a_line():
    x = np.random.default_rng(0).standard_normal((40, 3))
    y = x @ [1.0, -2.0, 0.5] + 4
    np.testing.assert_allclose(oracle.ridge(x[:20], y[:20], x[20:]), y[20:], atol=0.02)


def test_the_rank_asked_for_is_the_best_simple_answers_less_a_margin():
    known = np.mean(plain.plain(3).pool.latency_s / plain.plain(3).pool.latency_s.mean(axis=0), 1)
    ranks = []
    for seed in range(3):
        rest = np.setdiff1d(np.arange(400), EASY.rows(seed))
        ranks += [oracle.rank_correlation(known[rest], new[rest]) for new in plain.plain(3).new_s.T]
    assert EASY.required_rank == pytest.approx(np.mean(ranks) - 0.05)
    by_k = [BY_NAME[f"plain-10, reversed, random, k={k}"].required_rank for k in (5, 10, 50)]
    assert by_k[0] < -0.9 < 0.5 < by_k[1] < by_k[2]


def test_only_the_zoo_owes_an_error_and_only_from_ten_random_measurements_on():
    owing = [case for case in EVERY if case.required_error is not None]
    assert [case.name for case in owing] == [f"zoo, clean, random, k={k}" for k in (10, 20, 50)]
    assert all(0.05 < case.required_error < 0.2 for case in owing)


def test_simple_answers_exist_where_cells_are_missing():
    for world in (plain.small_only(), plain.disjoint()):
        assert np.isfinite(oracle.mean_device(world)).all()


# -- what is found --------------------------------------------------------------------------------


def test_a_predictor_that_knows_is_kept():
    found = outcome_of()
    assert isinstance(found, Outcome)
    assert found.kept
    assert found.faults == ()
    assert found.runs == 4
    assert found.coverage == found.honest == found.worst_coverage == 1.0
    assert found.spearman > 0.99
    assert found.median_ape == 0
    check_adversarial(lambda pool, similarity=None: Teller(EASY), [EASY])


BREACHES = [
    (lambda y: Normal(-y, y), "a mean is not positive"),
    (lambda y: Normal(y * np.where(np.arange(len(y)) == 3, 0, 1), y), "a mean is not positive"),
    (lambda y: Normal(y * np.nan, y), "a mean is not finite"),
    (lambda y: Normal(y, -y), "a deviation is negative or not finite"),
    (lambda y: Normal(y, y, lambda mean, q: mean * (q - 0.01)), "a quantile is not positive"),
    (
        lambda y: Normal(y, y, lambda mean, q: mean * (0.5 - q) + mean),
        "an interval is inverted",
    ),
    (
        lambda y: Normal(y, y, lambda mean, q: mean * (1.5 - q)),
        "quantiles do not rise",
    ),
    (lambda y: Normal(y, y, lambda mean, q: mean * (2 + q)), "an interval does not hold the mean"),
    (
        lambda y: Normal(y, y, lambda mean, q: mean * (np.inf if 0.94 < q < 0.96 else 1)),
        "a bound of an interval is not finite",
    ),
]


@pytest.mark.parametrize(("bend", "sentence"), BREACHES, ids=[s for _, s in BREACHES])
def test_an_invariant_that_is_broken_is_named(bend, sentence):
    with np.errstate(divide="ignore", invalid="ignore"):
        found = outcome_of(bend=bend)
    assert not found.kept
    assert f"{sentence} in 4 of 4 runs" in found.breaches


def raising(error):
    def change():
        raise error

    return change


def test_an_error_on_purpose_is_a_refusal_and_no_breach():
    found = outcome_of(adapt=raising(OptionError("too slow; measure again")))
    assert found.breaches == ()
    assert found.refusals == ("too slow; measure again",)
    assert found.faults == ("refuses 4 of 4 runs (too slow; measure again)",)
    assert found.coverage is None
    assert found.to_dict()["spearman"] is None


def test_any_other_error_is_a_breach():
    found = outcome_of(adapt=raising(ZeroDivisionError("by zero")))
    assert found.refusals == ()
    assert len(found.breaches) == 1
    assert "by zero" in found.breaches[0]


def test_a_pool_that_cannot_be_fitted_fails_its_rows():
    def fit(pool, similarity=None):
        raise OptionError("too few devices; add some")

    assert run_case(fit, EASY, seeds=(0,)).refused == 1


def narrow(latency_s):
    wrong = latency_s * np.where(np.arange(len(latency_s)) % 2, 1.05, 1.0)
    return Normal(wrong, 0.01 * wrong)


def test_too_narrow_is_told_and_a_warning_excuses_it_where_something_is_unusual():
    silent = outcome_of(UNUSUAL, bend=narrow)
    assert silent.coverage == pytest.approx(0.5, abs=0.05)
    assert "or a warning" in silent.faults[0]
    warned = outcome_of(UNUSUAL, bend=narrow, told=("all were measured nearly equal",))
    assert warned.kept
    assert warned.coverage == silent.coverage
    assert warned.warned == 1
    assert warned.warnings == ("all were measured nearly equal",)


def test_a_warning_excuses_nothing_in_an_ordinary_row():
    case = BY_NAME["plain-10, clean, random, k=10"]
    found = outcome_of(case, bend=narrow, told=("beware",))
    assert not found.kept
    assert "or a warning" not in found.faults[0]


def test_a_wrong_order_is_told():
    found = outcome_of(bend=lambda y: Normal(np.full_like(y, y.mean()), 3 * y))
    assert found.spearman == 0
    assert found.faults == (f"ranks 0.000 where {EASY.required_rank:.3f} is required",)


def test_too_large_an_error_is_told_where_one_is_owed():
    case = BY_NAME["zoo, clean, random, k=50"]
    assert outcome_of(case).kept
    (fault,) = outcome_of(case, bend=lambda y: Normal(1.5 * y, 3 * y)).faults
    assert fault.startswith("errs by 50.0% where 1")


def test_the_check_names_the_rows_that_fail():
    given = cases("plain-2, clean, random")
    with pytest.raises(AssertionError, match="2 of 3 rows are not kept: 'plain-2, clean, random"):
        check_adversarial(refusing_two(given), given, seeds=(0,))


def refusing_two(given):
    """Sound on the first row's number of measurements, refusing on others."""

    def fit(pool, similarity=None):
        teller = Teller(given[0])
        sound_adapt = teller.adapt

        def adapt(indices, latency_s):
            if len(indices) != given[0].k:
                raise OptionError("another number; measure three")
            return sound_adapt(indices, latency_s)

        teller.adapt = adapt
        return teller

    return fit


def test_a_pool_is_fitted_once_for_all_its_rows():
    fits = []

    def fit(pool, similarity=None):
        fits.append(pool)
        return DeviceMixture.fit(pool)

    given = [*cases("plain-2, clean"), *cases("plain-3, clean")]
    found = list(run_cases(fit, given, seeds=(0,)))
    assert [outcome.case for outcome in found] == given
    assert len(fits) == 2


def test_figures_are_the_same_each_time():
    given = cases("plain-10, cube, designed")
    first, again = (
        [outcome.to_dict() for outcome in run_cases(RidgeRegression.fit, given)] for _ in range(2)
    )
    assert first == again
    assert first[0]["runs"] == 12


def test_predictors_warn_of_nothing_unless_they_say_so():
    rows = np.arange(10)
    adapted = RidgeRegression.fit(EASY.pool).adapt(rows, EASY.observed.truth_s[rows, 0])
    assert adapted.warnings == ()
    assert adapted.predict(rows).quantile(1e-6).min() > 0


def test_the_page_is_what_the_kept_figures_give(monkeypatch):
    root = Path(__file__).parents[2]
    monkeypatch.syspath_prepend(root / "scripts")
    page = root / "docs/adversarial.md"
    tables = import_module("adversarial_tables")
    kept = json.loads((root / "docs/benchmarks/adversarial.json").read_text())
    assert tables.updated(page, kept) == page.read_text()
    row = kept["ridge"][0]
    assert tables.cell(row | {"coverage": None, "kept": False, "refused": 1.0}).startswith("**-**")
    assert tables.marks(row | {"honest": 0.5, "breaches": ["a mean is not positive"]})[0] == "c"
