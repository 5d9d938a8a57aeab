"""Costs of a space's layers, from kernels that were measured once: sums that a search can use.

`layer_costs` makes them of a table, `LayerCosts` answers for architectures, and its `linear` and
`bilinear` are coefficients for programmes.
"""

from hwprof.search.layers.costs import LayerCosts
from hwprof.search.layers.making import layer_costs
from hwprof.search.layers.parts import Agreement, PartCosts
from hwprof.search.layers.plan import covering

__all__ = ["Agreement", "LayerCosts", "PartCosts", "covering", "layer_costs"]
