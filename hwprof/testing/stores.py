"""The laws of anything that stores measurements, and made-up measurements to try them with.

Under pytest: `@pytest.mark.parametrize("law", LAWS)`, then `law(store)` on an empty store. A law
raises AssertionError saying what the store did wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Protocol

from hwprof.errors import TableError
from hwprof.measurement import Measurement
from hwprof.testing.examples import (
    example_calibration,
    example_device,
    example_failure,
    example_measurement,
    example_plan,
)

__all__ = [
    "LAWS",
    "Store",
    "example_calibration",
    "example_device",
    "example_failure",
    "example_measurement",
    "example_plan",
]


class Store(Protocol):
    """What the laws ask of a store."""

    def add(self, measurement: Measurement) -> bool:
        """Keep a measurement; False when it was there already. TableError on a conflict."""
        ...

    def get(self, prefix: str, /) -> Measurement:
        """The measurement whose id begins so. TableError unless there is just one."""
        ...

    def measurements(self) -> Iterator[Measurement]:
        """Everything kept, newest first, then by id downwards."""
        ...


def gives_back_what_was_added(store: Store) -> None:
    """Every part of a measurement survives, absent parts included."""
    for seed in range(12):
        added = example_measurement(seed)
        _require(store.add(added), "a new measurement was said to be there already")
        _require(store.get(added.id) == added, f"measurement {seed} came back changed")


def adding_twice_adds_once(store: Store) -> None:
    """The same measurement again is no error and no second row."""
    for _ in range(2):
        for seed in range(4):
            store.add(example_measurement(seed))
    _require(not store.add(example_measurement(0)), "a known measurement was said to be new")
    _require(len(list(store.measurements())) == 4, "adding twice made a second row")


def an_id_means_one_measurement(store: Store) -> None:
    """A different measurement under a known id is refused and changes nothing."""
    first = example_measurement(1)
    store.add(first)
    _refused(lambda: store.add(replace(example_measurement(2), id=first.id)), "a taken id")
    _require(list(store.measurements()) == [first], "a refused measurement left a trace")


def order_depends_on_content_alone(store: Store) -> None:
    """Newest first, however the measurements came in."""
    one_time = example_measurement(0).created_at
    added = [example_measurement(seed) for seed in (5, 2, 9, 0)]
    added += [replace(example_measurement(seed), created_at=one_time) for seed in (21, 20)]
    for measurement in added:
        store.add(measurement)
    wanted = sorted(added, key=lambda m: (m.created_at, m.id), reverse=True)
    _require(list(store.measurements()) == wanted, "measurements are not listed newest first")


def short_ids_must_be_unique(store: Store) -> None:
    """An id may be cut short while it still means one measurement."""
    ids = {"abc1": 1, "abc2": 2, "abc": 3, "xyz1": 4}
    for identity, seed in ids.items():
        store.add(replace(example_measurement(seed), id=identity))
    _require(_found(store, "x") == "xyz1", "a unique beginning of an id was not enough")
    _require(_found(store, "abc") == "abc", "a whole id lost to longer ones that begin with it")
    for wrong in ("ab", "", "q", "abc11"):
        _refused(partial(store.get, wrong), f"the id '{wrong}'")


LAWS: tuple[Callable[[Store], None], ...] = (
    gives_back_what_was_added,
    adding_twice_adds_once,
    an_id_means_one_measurement,
    order_depends_on_content_alone,
    short_ids_must_be_unique,
)


def _require(holds: bool, complaint: str) -> None:
    # Not an assert statement: the laws hold under `python -O` too.
    if not holds:
        raise AssertionError(complaint)


def _found(store: Store, prefix: str) -> str | None:
    """The id that a store finds; None where it refuses, which the law then names."""
    try:
        return store.get(prefix).id
    except TableError:
        return None


def _refused(action: Callable[[], object], what: str) -> None:
    try:
        action()
    except TableError:
        return
    raise AssertionError(f"{what} was not refused")
