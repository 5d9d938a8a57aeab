"""A fitted or adapted predictor as one safetensors file: arrays, and a JSON header.

Nothing in the file is executed. What follows from the rest (prior features of the pool's rows, the
posterior of a device) is worked out again when the file is read.

Schema history: 1, never released; 2, shares of the devices in the mean, bases of cells and of
tables; 3, the metric of the pool and of the measurements, which were latency before; where the pool
spans decades, a model of logs too; 4, the setting of the pool, and measured architectures that it
never held.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from hwprof.codec import CodecError, from_json, to_json
from hwprof.errors import HwprofError, TableError, WrongTable
from hwprof.files import is_safetensors, whole_file
from hwprof.predictors.base import Measured
from hwprof.predictors.fewshot.bounds import check_parts
from hwprof.predictors.fewshot.calibration import Calibration
from hwprof.predictors.fewshot.fitted import Fitted
from hwprof.predictors.fewshot.logs import LogScale, Warp
from hwprof.predictors.fewshot.posterior import Grid
from hwprof.predictors.fewshot.prior import PriorFeatures, slices_of
from hwprof.predictors.fewshot.stored_bases import (
    StoredBasis,
    Tensors,
    compact,
    floats,
    pack_basis,
    unpack_basis,
)
from hwprof.predictors.setting import Setting
from hwprof.predictors.stored_metric import StoredMetric, read_metric
from hwprof.similarity import Basis

SCHEMA = 4
_OLDEST = 2
_KEY = "hwprof.fewshot"
_LARGEST = 1e30
# What the names of tensors of a model of logs begin with.
_LOGS = "logs."


class _Logs(msgspec.Struct, frozen=True):
    bases: tuple[StoredBasis, ...]
    widths: tuple[int, ...]


class _Header(msgspec.Struct, frozen=True):
    schema: int
    similarity: str = msgspec.field(name="kernels")
    """Its name. Files call it `kernels`, as the first ones did."""
    devices: tuple[str, ...]
    names: tuple[str, ...] | None
    bases: tuple[StoredBasis, ...]
    widths: tuple[int, ...]
    """Prior features per transfer component."""
    adapted: bool = False
    device: str | None = None
    units_checked: bool = True
    beyond: float = 0.0
    """Share of the pool's rows beyond all that was measured."""
    metric: StoredMetric | None = None
    """Of the pool. None before schema 3: latency."""
    logs: _Logs | None = None
    """A model of logs, whose tensors begin with `logs.`; None where there is none."""
    measured_metric: StoredMetric | None = None
    setting: Setting | None = None
    """Of the pool. None before schema 4, and where nobody said."""
    foreign: int = 0
    """Architectures at the end of `features` that the pool never held."""


class _Version(msgspec.Struct, frozen=True):
    schema: int


def save_fitted(path: Path, fitted: Fitted) -> None:
    """Write a predictor. Raises TableError if the path cannot be written."""
    tensors, header = _pack(fitted)
    _write(path, tensors, header)


def save_adapted(
    path: Path, fitted: Fitted, measured: Measured, device: str | None, units_checked: bool
) -> None:
    """Write a predictor with a device's measurements. Raises TableError as `save_fitted` does."""
    tensors, header = _pack(fitted)
    tensors["measured.indices"] = measured.indices
    # Called as in the first files; the header says what they are.
    tensors["measured.latency_s"] = measured.values
    if measured.std_error is not None:
        tensors["measured.std_error_s"] = measured.std_error
    header = msgspec.structs.replace(
        header,
        adapted=True,
        device=device,
        units_checked=units_checked,
        measured_metric=StoredMetric.of(measured.metric),
    )
    _write(path, tensors, header)


def load_fitted(path: Path) -> Fitted:
    """Read a predictor. Raises TableError for a file that is missing, damaged, foreign or newer."""
    header, tensors = _read(path)
    return _unpack(path, header, tensors)


def load_adapted(path: Path) -> tuple[Fitted, Measured, str | None, bool]:
    """Read a predictor with a device's measurements. Raises TableError as `load_fitted` does."""
    header, tensors = _read(path)
    if not header.adapted:
        raise WrongTable(
            f"'{path}' holds a predictor that was not adapted to a device; adapt it first, or "
            "load it with FewShotPredictor.load"
        )
    fitted = _unpack(path, header, tensors)
    try:
        error = tensors.get("measured.std_error_s")
        measured = Measured(
            tensors["measured.indices"].astype(np.int64),
            tensors["measured.latency_s"].astype(np.float64),
            None if error is None else error.astype(np.float64),
            read_metric(header.measured_metric),
            fitted.own,
        )
        sound = (
            measured.indices.ndim == 1
            and measured.indices.size > 0
            and measured.values.shape == measured.indices.shape
            and int(measured.indices.min()) >= 0
            and int(measured.indices.max()) < len(fitted.features)
            and bool(np.all(np.isfinite(measured.values) & (measured.values > 0)))
            and _known_errors(measured)
        )
    except (KeyError, ValueError) as problem:
        raise _damaged(path, str(problem)) from problem
    if not sound:
        raise _damaged(path, "its measurements do not fit its pool")
    return fitted, measured, header.device, header.units_checked


def _pack(fitted: Fitted) -> tuple[Tensors, _Header]:
    prior = fitted.prior
    tensors: Tensors = {
        "features": compact(fitted.features),
        "scale_s": fitted.scale_s,
        "constant": prior.constant,
        "shares": prior.shares,
        "amplitudes": fitted.grid.amplitudes,
        "noises": fitted.grid.noises,
        "log_prior": fitted.grid.log_prior,
        "calibration.counts": fitted.calibration.counts,
        "calibration.factors": fitted.calibration.factors,
    }
    if len(fitted.unusual):
        tensors["unusual"] = fitted.unusual.astype(np.int32)
    bases = []
    for i, (basis, matrix) in enumerate(zip(prior.bases, prior.matrices, strict=True)):
        tensors[f"matrix.{i}"] = matrix
        bases.append(pack_basis(basis, i, tensors))
    header = _Header(
        schema=SCHEMA,
        similarity=fitted.similarity,
        devices=fitted.devices,
        names=fitted.names,
        bases=tuple(bases),
        widths=tuple(s.stop - s.start for s in prior.slices[1:]),
        metric=StoredMetric.of(fitted.metric),
        beyond=fitted.beyond,
        setting=fitted.setting,
        foreign=fitted.foreign,
    )
    if fitted.logs is not None:
        header = msgspec.structs.replace(header, logs=_pack_logs(fitted.logs, tensors))
    return tensors, header


def _pack_logs(logs: LogScale, tensors: Tensors) -> _Logs:
    """Add the tensors of a model of logs; its features follow from the others'."""
    own, header = _pack(logs.inner)
    del own["features"]
    tensors |= {f"{_LOGS}{name}": tensor for name, tensor in own.items()}
    tensors[f"{_LOGS}warp"] = logs.warp.scale
    return _Logs(header.bases, header.widths)


def _unpack(path: Path, header: _Header, tensors: Tensors) -> Fitted:
    linear = {name: tensor for name, tensor in tensors.items() if not name.startswith(_LOGS)}
    fitted = _unpack_one(path, header, linear)
    if header.logs is None:
        return fitted
    try:
        scale = floats(tensors, f"{_LOGS}warp")
        if scale.shape != fitted.features.shape[1:] or (scale < 0).any():
            raise ValueError("its logs do not fit its features")
        warp = Warp(scale)
        own = {
            name.removeprefix(_LOGS): tensor
            for name, tensor in tensors.items()
            if name.startswith(_LOGS)
        } | {"features": tensors["features"]}
        # By the size of what is stored, which warped features are not.
        check_parts(own, len(header.devices), header.logs.widths, len(header.logs.bases))
        with np.errstate(all="ignore"):
            own["features"] = warp(fitted.features)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise _damaged(path, str(error)) from error
    inner = msgspec.structs.replace(
        header, names=None, bases=header.logs.bases, widths=header.logs.widths
    )
    return replace(fitted, logs=LogScale(_unpack_one(path, inner, own), warp))


def _unpack_one(path: Path, header: _Header, tensors: Tensors) -> Fitted:
    try:
        check_parts(tensors, len(header.devices), header.widths, len(header.bases))
        bases: list[Basis] = []
        matrices = []
        for i, basis in enumerate(header.bases):
            matrices.append(floats(tensors, f"matrix.{i}"))
            bases.append(unpack_basis(basis, i, tensors, tensors["features"].shape[1]))
        slices = slices_of(len(header.devices), list(header.widths))
        constant = floats(tensors, "constant")
        stored = sum(name.startswith("matrix.") for name in tensors)
        if constant.shape != (slices[-1].stop,) or stored != len(matrices):
            raise ValueError("its parts do not fit each other")
        shares = floats(tensors, "shares")
        if shares.shape != (len(header.devices),) or not (shares > 0).all():
            raise ValueError("its shares do not fit its devices")
        prior = PriorFeatures(tuple(bases), tuple(matrices), constant, slices, shares)
        features = floats(tensors, "features")
        own = len(features) - header.foreign
        if not 0 <= header.foreign < len(features):
            raise ValueError("its measured architectures are more than all")
        if header.names is not None and len(header.names) != own:
            raise ValueError("its names do not fit its architectures")
        counts, factors = floats(tensors, "calibration.counts"), tensors["calibration.factors"]
        grid = Grid(*(floats(tensors, name) for name in ("amplitudes", "noises", "log_prior")))
        if grid.log_prior.shape != (len(grid.amplitudes) * len(grid.noises),):
            raise ValueError("its grid does not fit its prior")
        if grid.amplitudes.shape[1] != len(slices):
            raise ValueError("its grid does not fit its components")
        # What overflows is found below, and told in one sentence.
        with np.errstate(all="ignore"):
            fitted = Fitted(
                features=features,
                devices=header.devices,
                names=header.names,
                scale_s=floats(tensors, "scale_s"),
                prior=prior,
                grid=grid,
                calibration=Calibration(counts, factors.astype(np.float64)),
                similarity=header.similarity,
                metric=read_metric(header.metric),
                unusual=_unusual(tensors, len(features)),
                beyond=min(max(header.beyond, 0.0), 1.0),
                setting=header.setting,
                foreign=header.foreign,
            )
            # They are kept in single precision too.
            if not fitted.below(_LARGEST):
                raise ValueError("its prior features are larger than any")
        return fitted
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise _damaged(path, str(error)) from error


def _known_errors(measured: Measured) -> bool:
    error = measured.std_error
    return error is None or (
        error.shape == measured.values.shape and bool(np.all(np.isfinite(error) & (error >= 0)))
    )


def _unusual(tensors: Tensors, rows: int) -> NDArray[np.int64]:
    found = tensors.get("unusual", np.zeros(0, dtype=np.int32)).astype(np.int64)
    inside = found.ndim == 1 and (len(found) == 0 or (found[0] >= 0 and found[-1] < rows))
    if not inside or (np.diff(found) <= 0).any():
        raise ValueError("its unusual rows are not rows of its pool")
    return found


def _write(path: Path, tensors: Tensors, header: _Header) -> None:
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    data = save(contiguous, metadata={_KEY: to_json(header).decode()})
    with whole_file(path, replaces=is_safetensors) as stream:
        stream.write(data)


def _read(path: Path) -> tuple[_Header, Tensors]:
    try:
        there = path.is_file()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        there = False
    if not there:
        raise WrongTable(f"there is no predictor file '{path}'; check the path")
    try:
        with safe_open(str(path), framework="numpy") as handle:
            text = (handle.metadata() or {}).get(_KEY)
            if text is None:
                raise WrongTable(
                    f"'{path}' is not a few-shot predictor of hwprof; give a file that save() wrote"
                )
            version = from_json(text, _Version).schema
            if version > SCHEMA:
                raise TableError(
                    f"'{path}' has schema {version}, newer than this hwprof reads ({SCHEMA}); "
                    "upgrade hwprof"
                )
            if version < _OLDEST:
                raise TableError(
                    f"'{path}' has schema {version}, of a hwprof that was never released; adapt "
                    "to the measurements again"
                )
            header = from_json(text, _Header)
            return header, {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except HwprofError:
        raise
    except CodecError as error:
        raise _damaged(path, f"its header does not read: {error}") from error
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        kind = TableError if _begins_so(path) else WrongTable
        raise kind(
            f"'{path}' is truncated or not a predictor file ({error}); save it again"
        ) from error


def _begins_so(path: Path) -> bool:
    """Whether a file begins as its format says: a length of 8 bytes, then a JSON object."""
    try:
        with path.open("rb") as stream:
            return stream.read(9)[8:] == b"{"
    except OSError:
        return True


def _damaged(path: Path, why: str) -> TableError:
    return TableError(f"'{path}' is a damaged predictor file ({why}); save it again")
