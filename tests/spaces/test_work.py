"""What operators have to do, as numbers."""

from __future__ import annotations

from hwprof.spaces.work import BALANCES, NAMES, Work


def test_a_roofline_is_the_greater_of_arithmetic_and_traffic() -> None:
    work = Work.of(10, arithmetic=20, depthwise=5, attention=5)
    assert work.products == 30
    assert (work.roofline_2, work.roofline_4, work.roofline_8) == (30, 40, 80)
    assert work.operators == 1


def test_depthwise_kernels_beyond_5x5_are_counted_once_more() -> None:
    for taps, wide in ((9, 0), (25, 0), (49, 7), (0, 0)):
        work = Work.of(10, depthwise=7, taps=taps)
        assert (work.wide_depthwise, work.depthwise, work.products) == (wide, 7, 7)


def test_every_balance_has_a_name() -> None:
    assert [name for name in NAMES if "roofline" in name] == [f"roofline_{b}" for b in BALANCES]


def test_rooflines_add_up_operator_by_operator() -> None:
    busy, moving = Work.of(1, 100), Work.of(100, 1)
    both = Work.total([busy, moving])
    assert both.roofline_2 == 100 + 200
    assert both.numbers == tuple(map(sum, zip(busy.numbers, moving.numbers, strict=True)))


def test_nothing_takes_no_time() -> None:
    assert Work.total([Work(), Work()]) == Work()
