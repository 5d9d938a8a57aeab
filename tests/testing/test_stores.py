"""The laws of stores hold for a lawful store, and each is shown able to fail."""

from dataclasses import replace

import pytest

from hwprof.errors import TableError
from hwprof.testing import stores


class Lawful:
    """A store in memory that keeps every law; each broken one changes one thing about it."""

    def __init__(self):
        self.kept, self.seen = {}, set()

    def add(self, measurement):
        known = self.kept.setdefault(measurement.id, measurement)
        if known != measurement:
            raise TableError("the id is taken; give another")
        new = measurement.id not in self.seen
        self.seen.add(measurement.id)
        return new

    def get(self, prefix, /):
        found = [m for i, m in self.kept.items() if prefix and i.startswith(prefix)]
        if prefix in self.kept:
            return self.kept[prefix]
        if len(found) != 1:
            raise TableError("not just one measurement; give a longer id")
        return found[0]

    def measurements(self):
        yield from sorted(self.kept.values(), key=lambda m: (m.created_at, m.id), reverse=True)


class Denying(Lawful):
    def add(self, measurement):
        super().add(measurement)
        return False


class Changing(Lawful):
    def get(self, prefix, /):
        return replace(super().get(prefix), id="other")


class Forgetful(Lawful):
    def add(self, measurement):
        super().add(measurement)
        return True


class Doubling(Lawful):
    def measurements(self):
        for measurement in super().measurements():
            yield from (measurement, measurement)


class Overwriting(Lawful):
    def add(self, measurement):
        self.kept[measurement.id] = measurement
        return True


class Tracing(Lawful):
    def add(self, measurement):
        try:
            return super().add(measurement)
        except TableError:
            self.kept[measurement.id] = measurement
            raise


class AsAdded(Lawful):
    def measurements(self):
        yield from self.kept.values()


class TimeOnly(Lawful):
    def measurements(self):
        yield from sorted(self.kept.values(), key=lambda m: m.created_at, reverse=True)


class WholeOnly(Lawful):
    def get(self, prefix, /):
        if prefix not in self.kept:
            raise TableError("no such id; give a whole one")
        return self.kept[prefix]


class Longest(Lawful):
    def get(self, prefix, /):
        found = [i for i in self.kept if prefix and i.startswith(prefix)]
        return self.kept[max(found, key=len)] if found else super().get(prefix)


class First(Lawful):
    def get(self, prefix, /):
        found = [m for i, m in self.kept.items() if i.startswith(prefix)]
        return found[0] if prefix not in self.kept and found else super().get(prefix)


@pytest.mark.parametrize("law", stores.LAWS)
def test_a_lawful_store_passes(law):
    law(Lawful())


@pytest.mark.parametrize(
    ("law", "broken", "sentence"),
    [
        (stores.gives_back_what_was_added, Denying, "was said to be there already"),
        (stores.gives_back_what_was_added, Changing, "measurement 0 came back changed"),
        (stores.adding_twice_adds_once, Forgetful, "a known measurement was said to be new"),
        (stores.adding_twice_adds_once, Doubling, "adding twice made a second row"),
        (stores.an_id_means_one_measurement, Overwriting, "a taken id was not refused"),
        (stores.an_id_means_one_measurement, Tracing, "a refused measurement left a trace"),
        (stores.order_depends_on_content_alone, AsAdded, "not listed newest first"),
        (stores.order_depends_on_content_alone, TimeOnly, "not listed newest first"),
        (stores.short_ids_must_be_unique, WholeOnly, "a unique beginning of an id"),
        (stores.short_ids_must_be_unique, Longest, "a whole id lost to longer ones"),
        (stores.short_ids_must_be_unique, First, "the id 'ab' was not refused"),
    ],
)
def test_broken_stores_are_caught(law, broken, sentence):
    with pytest.raises(AssertionError, match=sentence):
        law(broken())
