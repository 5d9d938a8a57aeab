"""PyTorch modules whose inputs are for the user to choose."""

from __future__ import annotations

import torch

ROWS, WIDTH = 40_000, 64


class TokenTypes(torch.nn.Module):
    """An embedding with one row: id 0 is the only one."""

    def __init__(self) -> None:
        super().__init__()
        self.types = torch.nn.Embedding(1, WIDTH)
        self.project = torch.nn.Linear(WIDTH, WIDTH)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.project(self.types(ids))


class Prefix(torch.nn.Module):
    """The first `k` rows of `x` [rows, width] times a matrix: its work grows with `k`."""

    def forward(self, x: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        n = k.item()
        torch._check(n >= 0)
        torch._check(n <= x.shape[0])
        return torch.narrow(x, 0, 0, n) @ x[:WIDTH].T
