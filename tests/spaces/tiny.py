"""The smallest space that has a depth, for tests of what all spaces share."""

from hwprof.errors import OptionError
from hwprof.spaces.base import Position, Space
from hwprof.spaces.building import Network, check_image

LAYERS = ("a", "b", "c")


class Tiny(Space):
    """Texts such as `2:bac`: depth 2, width b, layers a and c."""

    name = "tiny"
    positions = (
        Position("depth", ("1", "2", "3")),
        Position("wide", ("a", "b")),
        *(Position(f"layer{i}", LAYERS) for i in (1, 2, 3)),
    )

    def parse(self, text):
        depth, colon, rest = text.strip().partition(":")
        if colon and depth in "123" and len(rest) < 5:
            rest = rest.ljust(4, "a") if len(rest) == 1 + int(depth) else rest
            return self.check((depth, *rest))
        raise OptionError(f"{text!r} is not a tiny architecture; write DEPTH:WIDE and the layers")

    def format(self, choices):
        depth, wide, *layers = self.check(choices)
        return f"{depth}:{wide}{''.join(layers[: int(depth)])}"

    def canonical(self, rows):
        clean = rows.copy()
        clean[:, 2:][[[i > depth for i in range(3)] for depth in rows[:, 0]]] = 0
        return clean

    def costs(self, arch):
        network = Network()
        self.write(network, arch, 1, 4)
        return network.costs

    def build(self, arch, batch=1, resolution=None):
        side = 4 if resolution is None else resolution
        check_image(self.name, batch, side, least=1)
        network = Network()
        return network.model(self.name, self.write(network, arch, batch, side))

    def write(self, network, arch, batch, side):
        depth, wide, *layers = self.choices(arch)
        x = network.image(batch, side)
        for number, layer in enumerate(layers[: int(depth)]):
            channels = 8 * (LAYERS.index(layer) + 1) * (2 if wide == "b" else 1)
            x = network.conv_norm(f"layer{number}", x, channels, 3, activation="Relu")
        return network.linear("last", network.global_pool("last", x), 3)
