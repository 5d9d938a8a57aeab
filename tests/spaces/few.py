"""A space of the simplest kind that third parties write: three places, two operations."""

from hwprof.spaces.base import Costs
from hwprof.spaces.fixed import FixedChoices, everywhere


class Few(FixedChoices):
    """Texts such as `a b a`; costs are totals, counted by no recorder."""

    name = "few"
    operations = ("a", "b")
    positions = everywhere(operations, ("first", "second", "third"))

    def parse(self, text):
        return self.check(text.split())

    def format(self, choices):
        return " ".join(self.check(choices))

    def costs(self, arch):
        chosen = [3 if choice == "b" else 1 for choice in self.choices(arch)]
        return Costs(10 * sum(chosen) + 5, 7 + chosen[1], 4 * sum(chosen))

    def build(self, arch, batch=1, resolution=None):
        raise NotImplementedError
