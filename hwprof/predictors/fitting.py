"""Fitted pools, kept by what went into them: a fit takes seconds, and is the same every time.

A file of the cache is what `FewShotPredictor.save` writes: arrays and a header, nothing that could
be executed. Its name is a digest of the pool, the similarity and the code, so that whatever changes
is fitted anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import numpy as np

from hwprof.codec import to_json
from hwprof.errors import HwprofError
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.stored_metric import StoredMetric
from hwprof.similarity import Similarity
from hwprof.version import __version__

VARIABLE = "HWPROF_CACHE"
# Raised by whoever changes what a fit gives without changing what goes into it.
FIT = 1
# Files kept, those used last: one is some megabytes.
KEPT = 20
_ENDING = ".safetensors"
# What a fit consists of.
_CODE = ("predictors/fewshot", "similarity.py", "blocks.py", "spaces")


def fit_cached(
    pool: DevicePool,
    similarity: Similarity,
    *,
    seed: int = 0,
    announce: Callable[[], object] | None = None,
) -> FewShotPredictor:
    """`FewShotPredictor.fit`, or what it gave the last time for the same pool.

    `announce` is called before a fit that takes seconds. A similarity or a space that is no part of
    hwprof is fitted every time, since nothing tells when its code changes. A cache that is damaged
    or cannot be written makes no difference but time.
    """
    known = list(_parts(similarity))
    path = None
    if None not in known:
        path = folder() / f"{_key(pool, [part for part in known if part], seed)}{_ENDING}"
    found = None if path is None else _load(path, pool)
    if found is not None:
        return found
    if announce is not None:
        announce()
    fitted = FewShotPredictor.fit(pool, similarity=similarity, seed=seed)
    if path is not None:
        _keep(path, fitted)
    return fitted


def folder() -> Path:
    """`$HWPROF_CACHE/fitted`, else `hwprof/fitted` in `$XDG_CACHE_HOME`, else in `~/.cache`."""
    own = os.environ.get(VARIABLE)
    if own:
        return Path(own) / "fitted"
    caches = os.environ.get("XDG_CACHE_HOME", "")
    # Relative ones are to be ignored (XDG Base Directory Specification).
    if caches.startswith("/"):
        return Path(caches) / "hwprof" / "fitted"
    try:
        return Path.home() / ".cache" / "hwprof" / "fitted"
    except RuntimeError:  # nobody's
        return Path(os.devnull) / "fitted"


def _load(path: Path, pool: DevicePool) -> FewShotPredictor | None:
    try:
        if not path.is_file():
            return None
        found = FewShotPredictor.load(path)
        if found.devices == pool.devices and found.fitted.names == pool.names:
            # When it was used last, for `_forget`.
            with suppress(OSError):
                os.utime(path)
            return found
    except (HwprofError, OSError, ValueError):
        pass
    # What is damaged is in the way of the next one.
    with suppress(OSError):
        path.unlink()
    return None


def _keep(path: Path, fitted: FewShotPredictor) -> None:
    with suppress(HwprofError, OSError, ValueError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fitted.save(path)
        _forget(path.parent)


def _forget(where: Path) -> None:
    """Remove all files but those used last."""
    dated = []
    for path in where.glob(f"*{_ENDING}"):
        with suppress(OSError):
            dated.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(dated)[:-KEPT]:
        with suppress(OSError):
            path.unlink()


def _key(pool: DevicePool, similarity: list[bytes], seed: int) -> str:
    digest = hashlib.sha256()
    words = (pool.devices, pool.names, StoredMetric.of(pool.metric), pool.setting, seed)
    # Each part with its length: two pools never write the same bytes.
    for part in (
        f"{__version__} {FIT} {np.__version__}".encode(),
        _code(),
        to_json(words),
        *similarity,
        repr(pool.values.shape).encode(),
        pool.values.tobytes(),
        repr(pool.features.shape).encode(),
        pool.features.tobytes(),
    ):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(value: object) -> Iterator[bytes | None]:
    """What a similarity consists of, down to its numbers; None for what is not of hwprof."""
    kind = type(value)
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str} {value.shape}".encode()
        yield value.tobytes()
    elif isinstance(value, tuple):
        yield f"{len(value)} of".encode()
        for item in value:
            yield from _parts(item)
    elif value is None or kind in (str, int, float, bool):
        yield repr(value).encode()
    elif kind.__module__.partition(".")[0] != "hwprof":
        yield None
    else:
        # A space is what its code says.
        yield f"{kind.__module__}.{kind.__qualname__}".encode()
        if is_dataclass(value):
            for each in fields(value):
                yield from _parts(getattr(value, each.name))


@cache
def _code() -> bytes:
    """Digest of the code that fits, as far as it can be read."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for name in _CODE:
        path = root / name
        for source in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            with suppress(OSError):
                digest.update(source.read_bytes())
    return digest.digest()
