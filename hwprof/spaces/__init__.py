"""Search spaces by name."""

from __future__ import annotations

from hwprof.errors import OptionError
from hwprof.spaces.base import Space
from hwprof.spaces.fbnet import FbNet
from hwprof.spaces.nasbench201 import NasBench201

_SPACES: dict[str, Space] = {space.name: space for space in (NasBench201(), FbNet())}

__all__ = ["Space", "get", "names"]


def names() -> tuple[str, ...]:
    """Every space, sorted."""
    return tuple(sorted(_SPACES))


def get(name: str) -> Space:
    """The space of that name. Raises OptionError for an unknown one."""
    if name not in _SPACES:
        raise OptionError(f"unknown search space {name!r}; choose among {', '.join(names())}")
    return _SPACES[name]
