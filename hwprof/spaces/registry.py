"""Search spaces by name: built-ins and plugins come through the same door."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from hwprof.errors import OptionError
from hwprof.plugins import Entry, Registry
from hwprof.spaces.base import SUFFIX, Space

REGISTRY = Registry(
    "hwprof.spaces",
    "search space",
    Space,  # type: ignore[type-abstract]
    "hwprof.testing.spaces",
    {
        "bert": "hwprof.spaces.bert:Bert",
        "fbnet": "hwprof.spaces.fbnet:FbNet",
        "gpt": "hwprof.spaces.gpt:Gpt",
        "mobilenetv3": "hwprof.spaces.mobilenetv3:MobileNetV3",
        "nasbench201": "hwprof.spaces.nasbench201:NasBench201",
        "resnet50": "hwprof.spaces.resnet50:ResNet50",
        "transformer": "hwprof.spaces.transformer:Transformer",
        "vit": "hwprof.spaces.vit:Vit",
    },
)


def names(*, plugins: Iterable[Entry] | None = None) -> tuple[str, ...]:
    """Every name that `get` knows, sorted. `plugins` stands in for the installed entry points.

    Those with `+int8` behind them are not listed.
    """
    return REGISTRY.names(plugins)


def get(name: str, *, plugins: Iterable[Entry] | None = None) -> Space:
    """The space of that name, imported now; the same object each time.

    `+int8` behind a name is that space with a precision per layer (`hwprof.spaces.mixed`).

    Raises OptionError for an unknown name, for a plugin that does not import, cannot be made
    without arguments or is not a Space, and for `+int8` behind a space whose layers can have none.
    """
    plain = name.removesuffix(SUFFIX)
    entry = REGISTRY.find(plain, plugins)
    if entry is None:
        known = ", ".join(REGISTRY.names(plugins))
        raise OptionError(
            f"unknown search space '{name}'; choose among {known}, with {SUFFIX} behind it for a "
            "precision per layer"
        )
    return _made(entry) if name == plain else _mixed(entry)


@cache
def _mixed(entry: Entry) -> Space:
    from hwprof.spaces.mixed import MixedPrecision

    return MixedPrecision(_made(entry))


@cache
def _made(entry: Entry) -> Space:
    kind = REGISTRY.load(entry)
    try:
        space = kind()
    except Exception as error:  # a plugin may fail in any way; its user needs the reason
        raise REGISTRY.broken(entry, error) from error
    if space.name != entry.name:
        raise REGISTRY.stranger(entry, "Space of that name")
    return space
