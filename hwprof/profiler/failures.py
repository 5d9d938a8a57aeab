"""Jobs that came to nothing: the row that is kept of each, and those not worth trying again."""

from __future__ import annotations

import hashlib
import uuid

from hwprof.errors import told
from hwprof.lut import Table
from hwprof.measurement import Failure, Measurement, WarningCode
from hwprof.profiler.bench import UNFINISHED, UNREAD
from hwprof.profiler.steady import utc_now
from hwprof.targets.patience import waited_s


def job_mark(subject_key: str, fingerprint: str) -> str:
    """What tells one model on one device from all others: the second half of a failure's id.

    The first half is drawn by chance, as all of it is where the model or the device is unknown.
    """
    return hashlib.sha256(f"{subject_key}\n{fingerprint}".encode()).hexdigest()[:16]


def failure_of(error: Exception, name: str, device: str, run_id: str, mark: str = "") -> Failure:
    """The row of a job that `error` ended; `mark` as `job_mark` has it, if it got so far."""
    identity = uuid.uuid4().hex
    if mark:
        identity = identity[:16] + mark
    return Failure(identity, run_id, utc_now(), name, device, told(error))


def whole(measurement: Measurement) -> bool:
    """Whether a measurement got to its end: not killed between its latency and the rest."""
    return (
        measurement.profile_reason != UNFINISHED
        and measurement.energy.reason != UNREAD
        and not measurement.warned(WarningCode.CUT_OFF)
    )


def known_to_hang(table: Table, mark: str, timeout_s: float | None) -> Failure | None:
    """The failure of a job that did not answer in time before, unless it is given longer now.

    Without a time-out of its own, it is given what it was given then.
    """
    for failure in table.failures_of(mark):
        waited = waited_s(failure.reason)
        if waited is not None and (timeout_s is None or timeout_s <= waited):
            return failure
    return None
