"""Terms of predicted means under independent choices, in PyTorch.

Shapes: n distributions, p positions, c choices at most, m devices, q products, g tables.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hwprof.search.relaxed import Products, Relaxed, Tables

# Below what any product of factors can matter by; its logarithm is a number.
_TINY = 1e-300


class Expectation(nn.Module):
    """Probabilities `[n, p, c] -> [n, m]`, base units; exact where positions are independent."""

    padding: Tensor
    """Added to logits: minus infinity where a position has no such choice, `[p, c]`."""
    present: Tensor
    """1 where a position has such a choice, `[p, c]`."""
    constant: Tensor
    linear: Tensor
    used: Tensor
    """Whether a position is used, by the choice at its owner, `[owned, c]`."""
    first: Tensor

    def __init__(self, relaxed: Relaxed) -> None:
        super().__init__()
        width = relaxed.linear.shape[1]
        present = np.arange(width) < relaxed.sizes[:, None]
        owner = relaxed.usage.owner
        self.owned = np.flatnonzero(owner >= 0).tolist()
        self.owners = owner[self.owned].tolist()
        self.register_buffer("padding", torch.tensor(np.where(present, 0.0, -np.inf)))
        self.register_buffer("present", torch.tensor(present.astype(np.float64)))
        self.register_buffer("constant", torch.tensor(relaxed.constant))
        self.register_buffer("linear", torch.tensor(relaxed.linear).flatten(0, 1))
        used = relaxed.usage.used[self.owned].astype(np.float64)
        self.register_buffer("used", torch.tensor(used))
        self.register_buffer("first", torch.eye(width, dtype=torch.float64)[:1])
        self.has_linear = bool(relaxed.linear.any())
        self.tables = nn.ModuleList(_Tables(each) for each in relaxed.tables)
        self.products = nn.ModuleList(_Products(each, relaxed) for each in relaxed.products)

    def forward(self, weights: Tensor) -> Tensor:
        """Expected means, `[n, p, c] -> [n, m]`."""
        weights = weights * self.present
        total = self.constant.expand(len(weights), -1)
        if self.has_linear:
            total = total + self._effective(weights).flatten(1) @ self.linear
        for part in (*self.tables, *self.products):
            total = total + part(weights)
        return total

    def _effective(self, weights: Tensor) -> Tensor:
        """Probabilities of the canonical choices: the first one where a position is not used."""
        if not self.owned:
            return weights
        used = (weights[:, self.owners] * self.used).sum(-1, keepdim=True)
        left = weights[:, self.owners].sum(-1, keepdim=True) - used
        mixed = used * weights[:, self.owned] + left * self.first
        effective = weights.clone()
        effective[:, self.owned] = mixed
        return effective


class _Tables(nn.Module):
    """`Tables`: one axis after the other is summed over, for all tables of a shape at once."""

    values: Tensor

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self.positions = tables.positions.tolist()
        self.sizes = tables.values.shape[1:-1]
        self.register_buffer("values", torch.tensor(tables.values))

    def forward(self, weights: Tensor) -> Tensor:
        """`[n, p, c] -> [n, m]`."""
        count = len(weights)
        left = self.values.reshape(len(self.positions), self.sizes[0], -1)
        for axis, size in enumerate(self.sizes):
            places = [positions[axis] for positions in self.positions]
            chosen = weights[:, places, :size].transpose(0, 1)  # [g, n, size]
            if axis == 0:
                left = torch.bmm(chosen, left)
            else:
                each = left.reshape(len(places) * count, size, -1)
                left = torch.bmm(chosen.reshape(-1, 1, size), each)
            left = left.reshape(len(places), count, -1)
        return left.sum(0)


class _Products(nn.Module):
    """`Products`, in logarithms: each position that is always used is a factor of its own, and so
    is each one that decides over others, together with them."""

    factors: Tensor
    logs: Tensor
    weights: Tensor

    def __init__(self, products: Products, relaxed: Relaxed) -> None:
        super().__init__()
        owner = relaxed.usage.owner
        self.groups = [
            (int(o), np.flatnonzero(owner == o).tolist(), int(relaxed.sizes[o]))
            for o in np.unique(owner[owner >= 0])
        ]
        apart = {o for o, _, _ in self.groups} | set(np.flatnonzero(owner >= 0).tolist())
        self.free = [p for p in range(len(owner)) if p not in apart]
        self.register_buffer("factors", torch.tensor(products.factors))
        self.register_buffer("logs", torch.tensor(np.log(np.maximum(products.factors, _TINY))))
        self.register_buffer("weights", torch.tensor(products.weights))
        for number, (o, children, size) in enumerate(self.groups):
            used = torch.tensor(relaxed.usage.used[children, :size].T.astype(np.float64))
            self.register_buffer(f"used{number}", used)
            # Of the owner's own choice, and of the positions that it leaves unused.
            same = self.logs[o, :size] + (1 - used) @ self.logs[children, 0]
            self.register_buffer(f"same{number}", same)

    def forward(self, weights: Tensor) -> Tensor:
        """`[n, p, c] -> [n, m]`."""
        each = torch.bmm(weights.transpose(0, 1), self.factors).clamp_min(_TINY).log()  # [p, n, q]
        total = each[self.free].sum(0)
        for number, (o, children, size) in enumerate(self.groups):
            used, same = getattr(self, f"used{number}"), getattr(self, f"same{number}")
            given = torch.tensordot(used, each[children], 1) + same[:, None]  # [size, n, q]
            mixed = (weights[:, o, :size].T[..., None] * given.exp()).sum(0)
            total = total + mixed.clamp_min(_TINY).log()
        found: Tensor = total.exp() @ self.weights
        return found
