import pytest

from hwprof.testing.clock import FakeClock


def test_it_moves_only_when_told() -> None:
    clock = FakeClock(10.0)
    assert (clock.now(), clock.now()) == (10.0, 10.0)
    clock.advance(1.5)
    clock.sleep(0.5)
    assert clock.now() == 12.0
    assert clock.slept == [0.5]


def test_it_never_goes_back() -> None:
    with pytest.raises(ValueError, match="cannot go back by 1"):
        FakeClock().advance(-1)
