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
from hwprof.files import whole_file
from hwprof.predictors.base import IntArray
from hwprof.predictors.help.options import HelpOptions
from hwprof.predictors.help.report import TrainingReport
from hwprof.predictors.help.training import State
from hwprof.predictors.pool import DevicePool

# 1: first version.
SCHEMA_VERSION = 1
_KEY = "hwprof.help"


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
    )
    arrays = {name: p.detach().numpy() for name, p in kept.state.flat().items()}
    arrays["pool/features"] = np.ascontiguousarray(pool.features)
    arrays["pool/latency_s"] = np.ascontiguousarray(pool.latency_s)
    arrays["references"] = np.ascontiguousarray(kept.references)
    data = safetensors(arrays, metadata={_KEY: to_json(header).decode()})
    with whole_file(path, OptionError) as stream:
        stream.write(data)


def load(path: Path) -> Kept:
    """Read a predictor's parts. Raises OptionError for any file that `save` did not write."""
    try:
        with safe_open(path, framework="numpy") as opened:
            text = (opened.metadata() or {}).get(_KEY)
            if text is None:
                raise OptionError(f"{path} does not hold a HELP predictor; name a file of one")
            header = _header(path, text)
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise OptionError(
            f"cannot read {path} as a predictor: {error}; it may be truncated, save it again"
        ) from error
    try:
        pool = DevicePool(
            arrays.pop("pool/features"),
            arrays.pop("pool/latency_s"),
            header.devices,
            header.names,
        )
        references = arrays.pop("references").astype(np.int64)
        state = _state(arrays)
    except (KeyError, ValueError) as error:
        raise OptionError(f"{path} lacks {error}; it is damaged, save it again") from error
    return Kept(pool, header.options, header.space, header.seed, references, header.report, state)


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
        parts[part][rest] = torch.as_tensor(values).requires_grad_(True)
    return State(parts["network"], parts["z"], parts["rates"])
