"""What the once-for-all spaces share (Cai et al., ICLR 2020): classifiers of images of any size."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from hwprof.spaces.base import Choices
from hwprof.spaces.building import Network, check_image
from hwprof.spaces.fields import Field, FieldSpace
from hwprof.spaces.recorder import Tensor

if TYPE_CHECKING:
    import onnx

RESOLUTIONS: Choices = tuple(str(side) for side in range(128, 225, 4))
"""Sides of the image that the supernetworks were trained for."""
RESOLUTION = Field("r", RESOLUTIONS, ("resolution",))
CLASSES = 1000
AREA = {"resolution": {side: (int(side) / 224) ** 2 for side in RESOLUTIONS}}
"""Pixels relative to an image of 224 x 224, as a factor of a `Term`."""
# The smallest image: five halvings of it leave one pixel.
_LEAST = 32


class OnceForAll(FieldSpace):
    """A space whose first field is `RESOLUTION`, and whose costs are sums over its layers."""

    @abstractmethod
    def write(self, net: Network, values: Mapping[str, Choices], batch: int, side: int) -> Tensor:
        """Write the network that fields choose; its logits `[b, 1000]`."""

    def build(
        self, arch: str | ArrayLike, batch: int = 1, resolution: int | None = None
    ) -> onnx.ModelProto:
        """See `Space.build`; `resolution` stands in for the architecture's own."""
        values = self.fields.values(self.choices(arch))
        side = _side(values) if resolution is None else resolution
        check_image(self.name, batch, side, _LEAST)
        network = Network()
        return network.model(self.name, self.write(network, values, batch, side))

    def resolution(self, arch: str | ArrayLike) -> int:
        """See `Space.resolution`: what the architecture says."""
        return _side(self.fields.values(self.choices(arch)))


def _side(values: Mapping[str, Choices]) -> int:
    return int(values["r"][0])


def halved(side: int, strides: int) -> int:
    """What is left of a side after convolutions whose strides multiply to this."""
    return -(-side // strides)
