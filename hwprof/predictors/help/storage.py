"""A fitted HELP as one safetensors file: tensors, and JSON in its header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as safetensors

from hwprof.codec import CodecError, from_json, to_json
from hwprof.errors import OptionError
from hwprof.files import is_safetensors, whole_file
from hwprof.predictors.base import IntArray
from hwprof.predictors.help.network import Network
from hwprof.predictors.help.options import HelpOptions
from hwprof.predictors.help.report import TrainingReport
from hwprof.predictors.help.training import State
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.stored_metric import StoredMetric, read_metric

# 1: first version. 2: the pool's metric, which was latency before.
SCHEMA_VERSION = 2
_KEY = "hwprof.help"
_MOST_STEPS = 10_000
_MOST_DEVICES = 1000
# Numbers that smoothing a pool takes for each architecture besides its features, and in all.
_WIDE, _MOST_NUMBERS = 400, 1 << 25


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What a file holds of a predictor; everything else follows from it."""

    pool: DevicePool
    options: HelpOptions
    space: str | None
    seed: int
    references: IntArray
    report: TrainingReport
    state: State


@dataclass(frozen=True, slots=True)
class Header:
    """The JSON part."""

    schema: int
    options: HelpOptions
    space: str | None
    seed: int
    report: TrainingReport
    devices: tuple[str, ...]
    names: tuple[str, ...] | None
    metric: StoredMetric | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """The part of the header that every version has."""

    schema: int


def save(kept: Kept, path: Path) -> None:
    """Write a predictor's parts. Raises OptionError when the file cannot be written."""
    pool = kept.pool
    header = Header(
        SCHEMA_VERSION,
        kept.options,
        kept.space,
        kept.seed,
        kept.report,
        pool.devices,
        pool.names,
        StoredMetric.of(pool.metric),
    )
    arrays = {name: p.detach().numpy() for name, p in kept.state.flat().items()}
    arrays["pool/features"] = np.ascontiguousarray(pool.features)
    # Called as in the first files; the header says what they are.
    arrays["pool/latency_s"] = np.ascontiguousarray(pool.values)
    arrays["references"] = np.ascontiguousarray(kept.references)
    data = safetensors(arrays, metadata={_KEY: to_json(header).decode()})
    with whole_file(path, OptionError, replaces=is_safetensors) as stream:
        stream.write(data)


def load(path: Path) -> Kept:
    """Read a predictor's parts. Raises OptionError for any file that `save` did not write."""
    # A pipe may never say anything.
    if path.exists() and not path.is_file():
        raise OptionError(f"{path} is not a regular file; name a file of a HELP predictor")
    try:
        with safe_open(path, framework="numpy") as opened:
            text = (opened.metadata() or {}).get(_KEY)
            if text is None:
                raise OptionError(f"{path} does not hold a HELP predictor; name a file of one")
            header = _header(path, text)
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, ValueError, TypeError, AttributeError, SafetensorError) as error:
        raise OptionError(
            f"cannot read {path} as a predictor: {error}; it may be truncated, save it again"
        ) from error
    try:
        pool = DevicePool(
            arrays.pop("pool/features"),
            arrays.pop("pool/latency_s"),
            header.devices,
            header.names,
            metric=read_metric(header.metric),
        )
        references = arrays.pop("references").astype(np.int64)
        _check_work(header, pool, references)
        state = _state(arrays)
    except KeyError as error:
        raise OptionError(f"{path} lacks {error}; it is damaged, save it again") from error
    except (OptionError, ValueError, TypeError, RuntimeError) as error:
        raise damaged(path, error) from error
    return Kept(pool, header.options, header.space, header.seed, references, header.report, state)


def damaged(path: Path, why: object) -> OptionError:
    """For a file whose parts do not fit each other."""
    return OptionError(f"{path} is damaged ({why}); save it again")


def check_state(network: Network, state: State) -> None:
    """Raises ValueError unless the tensors are those of this network."""
    for name, part, shapes in (
        ("network", state.network, network.shapes()),
        ("rates", state.rates, network.shapes()),
        ("z", state.z, network.z_shapes()),
    ):
        if {key: tuple(tensor.shape) for key, tensor in part.items()} != shapes:
            raise ValueError(f"the tensors of its {name} do not fit its options")
        if not all(bool(torch.isfinite(tensor).all()) for tensor in part.values()):
            raise ValueError(f"a tensor of its {name} is not finite")


def _check_work(header: Header, pool: DevicePool, references: IntArray) -> None:
    """Raises ValueError for what would take for ever, or all the memory, to work with."""
    options = header.options
    if not 0 <= header.seed < 2**63:
        raise ValueError("its seed is none")
    if max(options.draws, options.inner_steps) > _MOST_STEPS:
        raise ValueError("it asks for more steps than any predictor does")
    if len(pool.devices) > _MOST_DEVICES or pool.features.size + _WIDE * pool.rows > _MOST_NUMBERS:
        raise ValueError("its pool is larger than any")
    rows = references
    if rows.ndim != 1 or len(rows) < 2 or rows.min() < 0 or rows.max() >= pool.rows:
        raise ValueError("its references are not rows of its pool")


def _header(path: Path, text: str) -> Header:
    try:
        version = from_json(text, Version).schema
        if version > SCHEMA_VERSION:
            raise OptionError(
                f"{path} has schema {version}, newer than {SCHEMA_VERSION}; update hwprof"
            )
        return from_json(text, Header)
    except CodecError as error:
        raise OptionError(f"the header of {path} is damaged: {error}; save it again") from error


def _state(arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]) -> State:
    parts: dict[str, dict[str, torch.Tensor]] = {"network": {}, "z": {}, "rates": {}}
    for name, values in arrays.items():
        part, _, rest = name.partition("/")
        if part not in parts:
            raise ValueError(f"it holds an unknown part {part[:40]!r}")
        # Of another type than this, nothing was ever saved.
        parts[part][rest] = torch.as_tensor(values.astype(np.float32)).requires_grad_(True)
    return State(parts["network"], parts["z"], parts["rates"])
