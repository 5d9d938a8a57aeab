"""Layers' costs as one safetensors file: arrays, and a JSON header. Nothing in it is executed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from hwprof import spaces
from hwprof.codec import CodecError, from_json, to_json
from hwprof.errors import HwprofError, OptionError, TableError, WrongTable
from hwprof.files import is_safetensors, whole_file
from hwprof.predictors.setting import Setting
from hwprof.search.layers.parts import Agreement, Kept, PartCosts

SCHEMA = 1
_KEY = "hwprof.layers"


class _Agreement(msgspec.Struct, frozen=True):
    architectures: int
    mape: float
    correlation: float
    noise: float | None = None


class _Header(msgspec.Struct, frozen=True):
    schema: int
    space: str
    device: str
    setting: Setting
    constant: float
    """Seconds."""
    profiled: int
    agreement: _Agreement
    parts: tuple[tuple[str, tuple[int, ...]], ...]
    """Layer and positions of each part; its arrays are `values.N` and `measured.N`."""


class _Version(msgspec.Struct, frozen=True):
    schema: int


def save_costs(path: Path, costs: Kept) -> None:
    """See `LayerCosts.save`."""
    told = costs.agreement
    header = _Header(
        SCHEMA,
        costs.space,
        costs.device,
        costs.setting,
        costs.constant,
        costs.profiled,
        _Agreement(told.architectures, told.mape, told.correlation, told.noise),
        tuple((part.layer, part.positions) for part in costs.parts),
    )
    tensors = {}
    for i, part in enumerate(costs.parts):
        # NumPy's own makes a row of a single number.
        tensors[f"values.{i}"] = np.array(part.values, order="C")
        tensors[f"measured.{i}"] = np.array(part.measured, order="C")
    data = save(tensors, metadata={_KEY: to_json(header).decode()})
    with whole_file(path, replaces=is_safetensors) as stream:
        stream.write(data)


def load_costs(path: Path) -> Kept:
    """See `LayerCosts.load`."""
    header, tensors = _read(path)
    try:
        space = spaces.get(header.space)
        parts = []
        for i, (layer, positions) in enumerate(header.parts):
            values, measured = tensors[f"values.{i}"], tensors[f"measured.{i}"]
            sizes = tuple(len(space.positions[place].choices) for place in positions)
            if min(positions, default=0) < 0 or not values.shape == measured.shape == sizes:
                raise ValueError("its parts do not fit its space")
            if values.dtype != np.float64 or not (np.isfinite(values) & (values >= 0)).all():
                raise ValueError("its costs are not finite numbers from 0")
            if measured.dtype != np.bool_:
                raise ValueError("it does not say what was measured")
            parts.append(PartCosts(layer, positions, values, measured))
        if not (0 <= header.constant < np.inf) or not parts:
            raise ValueError("its parts are no costs")
        told = header.agreement
        return Kept(
            header.space,
            header.device,
            header.setting,
            tuple(parts),
            header.constant,
            Agreement(told.architectures, told.mape, told.correlation, told.noise),
            header.profiled,
        )
    except (KeyError, ValueError, IndexError, TypeError, OptionError) as error:
        raise TableError(
            f"'{path}' is a damaged file of layers' costs ({error}); make it again"
        ) from error


def _read(path: Path) -> tuple[_Header, dict[str, np.ndarray]]:
    try:
        there = path.is_file()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        there = False
    if not there:
        raise WrongTable(f"there is no file '{path}' of layers' costs; check the path")
    try:
        with safe_open(str(path), framework="numpy") as handle:
            text = (handle.metadata() or {}).get(_KEY)
            if text is None:
                raise WrongTable(
                    f"'{path}' holds no layers' costs; give a file that 'hwprof lut additive' wrote"
                )
            version = from_json(text, _Version).schema
            if not 1 <= version <= SCHEMA:
                raise TableError(
                    f"'{path}' has schema {version} where this hwprof reads {SCHEMA}; upgrade "
                    "hwprof, or make the file again"
                )
            header = from_json(text, _Header)
            return header, {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except HwprofError:
        raise
    except CodecError as error:
        raise TableError(
            f"'{path}' is a damaged file of layers' costs (its header does not read: {error}); "
            "make it again"
        ) from error
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise WrongTable(
            f"'{path}' is truncated or no file of layers' costs ({error}); make it again"
        ) from error
