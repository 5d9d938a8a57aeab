"""Searching schedules for the kernels of a model, and keeping them in a folder.

The folder is one of TVM's meta-schedule (`database_workload.json`, `database_tuning_record.json`:
a line of JSON each), so that a search made with TVM's own tuner can be measured here, and this one
used there. Candidates are compiled and timed in this process, on the threads and processors that
the model is measured on. Meta-schedule: Shao et al., Tensor Program Optimization with
Probabilistic Programs, NeurIPS 2022.
"""

from __future__ import annotations

import importlib
import logging
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from hwprof.devices.scratch import scratch_folder
from hwprof.devices.tvm.records import RECORDS, WORKLOADS, check_records
from hwprof.errors import DeviceError, one_line

# A candidate's time is the best of REPEATS, each of at least WINDOW_S unless one call is longer.
REPEATS = 3
WINDOW_S = 0.005
# Candidates that take longer than the best so far by this factor are not timed a second time.
HOPELESS = 2.0

_LOG = logging.getLogger(__name__)
# TVM tells there what it thinks of every candidate.
_QUIET = logging.getLogger(f"{__name__}.tvm")
_QUIET.setLevel(logging.CRITICAL)


def check_database(folder: Path, mcpu: str, threads: int) -> None:
    """Refuse what `hwprof.devices.tvm.records.check_records` refuses, before TVM reads any of it.

    TVM applies a kernel's best record whatever it was made for. Raises DeviceError. A folder
    without files is fine: nothing was searched yet.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceError(
            f"the schedules in '{folder}' cannot be read: {one_line(error)}; check the folder, or "
            "name another one"
        ) from error
    check_records(folder, mcpu, threads)


def tune(tvm: ModuleType, module: Any, target: Any, folder: Path, trials: int) -> int:
    """Search a schedule for every kernel of `module` that `folder` does not know; how many.

    Each gets `trials` schedules drawn at random from TVM's design space for the target, and the
    best of them and of the plain one is kept. A kernel's record is written when its search is
    over, so an interrupted search resumes with the next kernel. Raises DeviceError when the
    folder cannot be written.
    """
    from tvm.s_tir import meta_schedule as meta

    _import_intrinsics()
    try:
        database = open_database(folder)
        tasks = meta.relax_integration.extract_tasks(module, target)
        unknown = [
            (task.task_name, task.dispatched[0])
            for task in tasks
            if database.query_tuning_record(task.dispatched[0], target, "main") is None
        ]
        for number, (name, kernel) in enumerate(unknown, 1):
            _LOG.info("searching a schedule for %s (%d of %d)", name, number, len(unknown))
            _search(tvm, meta, kernel, target, trials, database)
    except Exception as error:  # TVM's own errors have no common base
        raise DeviceError(
            f"schedules could not be searched: {one_line(error)}; check that '{folder}' can be "
            "written, or measure without tune"
        ) from error
    return len(unknown)


def _search(
    tvm: ModuleType, meta: Any, kernel: Any, target: Any, trials: int, database: Any
) -> None:
    """Time the plain schedule and up to `trials` random ones, and commit the best."""
    context = meta.TuneContext(
        mod=kernel,
        target=target,
        space_generator="post-order-apply",
        search_strategy="replay-trace",
        task_name="main",
        logger=_QUIET,
        # Seeded by the kernel, so that a search can be redone.
        rand_state=_seed(kernel),
        num_threads=1,
    ).clone()
    spaces = context.generate_design_space()
    plain = tvm.s_tir.Schedule(kernel)
    arguments = meta.arg_info.ArgInfo.from_entry_func(kernel, remove_preproc=True)
    best = _seconds(tvm, kernel, target, arguments, float("inf"))
    plain.get_sblock("root")  # changes nothing, but a record without any step is not found again
    trace = plain.trace
    if spaces:
        # It writes what it is told about candidates there, and the folder keeps the best only.
        scratch = meta.database.MemoryDatabase()
        context.pre_tuning(trials, trials, spaces, scratch, meta.cost_model.RandomModel())
        for candidate in context.generate_measure_candidates() or ():
            try:
                seconds = _seconds(tvm, candidate.sch.mod, target, arguments, best)
            except Exception as error:  # a schedule that does not compile is only a bad one
                _LOG.debug("a candidate does not run: %s", one_line(error))
                continue
            if seconds < best:
                best, trace = seconds, candidate.sch.trace
        context.post_tuning()
    workload = database.commit_workload(kernel)
    database.commit_tuning_record(
        meta.database.TuningRecord(trace, workload, [best], target, arguments)
    )


def _seconds(tvm: ModuleType, kernel: Any, target: Any, arguments: Any, limit_s: float) -> float:
    """Best time of a call, seconds; not refined when it is far above `limit_s`."""
    function = tvm.compile(kernel, target).mod
    rng = np.random.default_rng(0)
    tensors = [
        tvm.runtime.tensor(rng.random(tuple(int(n) for n in each.shape)).astype(str(each.dtype)))
        for each in arguments
    ]
    device = tvm.cpu()
    once = float(min(function.time_evaluator("main", device, number=1, repeat=1)(*tensors).results))
    if once > HOPELESS * limit_s:
        return once
    number = max(1, int(WINDOW_S / max(once, 1e-9)))
    timed = function.time_evaluator("main", device, number=number, repeat=REPEATS)(*tensors)
    return float(min(timed.results))


def _import_intrinsics() -> None:
    """Import the tensor intrinsics that searching for a CPU may use, and no others.

    TVM imports all of them when a search begins; parsing those of other hardware took two minutes.
    """
    package = "tvm.s_tir.tensor_intrin"
    others = [f"{package}.{name}" for name in ("cuda", "rocm", "hexagon", "riscv_cpu")]
    stands = [name for name in others if name not in sys.modules]
    if platform.machine().startswith("riscv"):
        stands.remove(f"{package}.riscv_cpu")
    sys.modules.update({name: ModuleType(name) for name in stands})
    try:
        importlib.import_module(package)
    finally:
        for name in stands:
            del sys.modules[name]


def _seed(kernel: Any) -> int:
    import tvm_ffi

    return int(tvm_ffi.structural_hash(kernel)) % (2**31 - 2) + 1


@contextmanager
def checked_copy(folder: Path, mcpu: str, threads: int) -> Iterator[Path]:
    """A copy of a folder of schedules, checked: nobody changes it between the check and its use.

    Raises DeviceError as `check_database` does.
    """
    with scratch_folder() as place:
        for name, content in check_records(folder, mcpu, threads).items():
            Path(place, name).write_bytes(content)
        yield Path(place)


def open_database(folder: Path) -> Any:
    """The folder's schedules, as TVM reads them. Raises what TVM raises."""
    from tvm.s_tir import meta_schedule

    return meta_schedule.database.JSONDatabase(
        str(folder / WORKLOADS), str(folder / RECORDS), allow_missing=True
    )
