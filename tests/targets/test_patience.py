"""How long answers are waited for."""

from __future__ import annotations

import pytest

from hwprof.errors import OptionError
from hwprof.targets import patience
from hwprof.targets.patience import Patience, lateness, waited_s


def test_bounds_are_generous_and_grow_with_the_work() -> None:
    usual = Patience()
    assert usual.opening_s >= 600
    assert usual.first_run_s >= 600
    assert usual.runs_s(1e-6) == patience.RUNS_S
    assert usual.runs_s(100.0) == 2000.0
    assert usual.profile_s(10.0) > usual.opening_s
    # A tuner that was asked for a hundred trials of each kernel is not taken for one that hangs.
    assert Patience(tuned=100).opening_s == 101 * usual.opening_s
    # Batteries are looked at for an hour.
    assert usual.energy_s > 3600


def test_one_that_is_given_stands_for_all() -> None:
    given = Patience(5.0, tuned=9)
    bounds = (given.opening_s, given.first_run_s, given.answer_s, given.energy_s)
    assert {*bounds, given.runs_s(100), given.profile_s(100)} == {5.0}


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_time_out_is_a_time(seconds: float) -> None:
    with pytest.raises(OptionError, match="must be a positive number of seconds"):
        Patience(seconds)


@pytest.mark.parametrize("seconds", [0.25, 600.0, 7, 1234567.0, 0.0001])
def test_the_sentence_says_how_long_was_waited(seconds: float) -> None:
    for call in ("open", "time", "profile", "something else"):
        sentence = lateness("the worker measuring 'a within 9 s.onnx'", call, seconds)
        assert waited_s(sentence) == pytest.approx(seconds, abs=1e-3)
        assert "\n" not in sentence
    assert waited_s("the worker was killed within 5 s; try again") is None
