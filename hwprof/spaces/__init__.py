"""Search spaces by name."""

from __future__ import annotations

from hwprof.spaces.base import Costs, Position, Space
from hwprof.spaces.registry import get, names

__all__ = ["Costs", "Position", "Space", "get", "names"]
