"""`hwprof.sweep`: models or architectures on several devices, thread counts and batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import chain
from pathlib import Path

from hwprof import spaces
from hwprof.devices.registry import parse
from hwprof.errors import DeviceError, HwprofError, OptionError
from hwprof.lut import Table
from hwprof.models.inputs.given import Asked
from hwprof.models.plain_file import plain_size
from hwprof.presented import Presented
from hwprof.profiler.agreement import Agreement
from hwprof.profiler.architectures import architecture_jobs
from hwprof.profiler.arguments import check_name, check_tags, library_option
from hwprof.profiler.bench import Progress
from hwprof.profiler.campaign import Job, Outcome, Turns, in_turns, jobs_for, run_campaign
from hwprof.profiler.names import names_of
from hwprof.profiler.plan import RESTARTS_IN_TURNS, Plan
from hwprof.profiler.usual_device import USUAL, usual_device
from hwprof.spaces import Space
from hwprof.targets.base import Target
from hwprof.targets.worker import WorkerTarget

MOST_THREADS = 10**9
Listen = Callable[[Job, Progress], object]


class Sweep(Presented, Iterator[Outcome]):
    """The outcomes of a sweep, one by one; asking for the next one measures it.

    They come batch by batch and model by model, all devices of a model together. Its `repr` and
    its form in a notebook show what is there; `to_dict`, `to_json` and `to_pandas` measure the
    rest first.
    """

    def __init__(
        self, outcomes: Generator[Outcome, None, None], total: int, devices: tuple[str, ...]
    ) -> None:
        """Use `sweep`."""
        self._outcomes = outcomes
        self._done: list[Outcome] = []
        self.total = total
        """How many outcomes there will be, if the table takes them all."""
        self.devices = devices
        """The devices as they were asked for, thread counts included; several take turns."""

    def __next__(self) -> Outcome:
        outcome = next(self._outcomes)
        self._done.append(outcome)
        return outcome

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Those that were measured so far."""
        return tuple(self._done)

    def finished(self) -> tuple[Outcome, ...]:
        """All of them, once the rest is measured. Raises TableError as iterating does."""
        for _ in self:
            pass
        return self.outcomes

    @property
    def brief(self) -> str:
        return f"{len(self._done)} of {self.total} results on {', '.join(self.devices)}"

    def close(self) -> None:
        """End it early: a table that was named is closed, and nothing more is measured."""
        self._outcomes.close()


def sweep(
    models: str | Path | Sequence[str | Path] = (),
    devices: str | Target | Sequence[str | Target] | None = None,
    *,
    threads: Sequence[int] = (),
    batches: Sequence[int] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
    inputs: Asked = None,
    space: str | Space | None = None,
    archs: Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
    resolution: int | None = None,
    name: str | None = None,
    tags: Sequence[str] = (),
    plan: Plan | None = None,
    meter: str | None = None,
    custom_ops: str | Path | None = None,
    table: Table | str | Path | None = None,
    resume: bool = False,
    check_outputs: bool = True,
    timeout: float | None = None,
    listen: Listen | None = None,
) -> Sweep:
    """Measure every model on every device, with each of `threads` and `batches`.

    `models` are files. Instead, `space` names a search space (or is one), whose architectures
    `archs` (texts), or `sample` random ones, the same for the same `seed`, are built with random
    weights; `resolution` is then the side of the image, or the tokens. Devices are as in
    `hwprof.measure`, and several (or several `threads`) take turns, so that drift of the machine
    hits all alike. None takes each model's own: `torch-cpu` for .pt2, `litert-cpu` for .tflite,
    else `onnxruntime-cpu`.
    `shapes` and `batches` decide open input dimensions, and `inputs` are values for inputs, by name
    or a file of them (docs/inputs.md). `name` is what a single file is called; several of one name
    are told apart by their folders. `tags` mark what is measured now. A `plan` without a number of
    restarts has as many as it needs, or three in turns, which a ratio's interval needs.
    `custom_ops` is a library of operators for ONNX Runtime to load. With `table` (open, or a file's
    name) each result is saved at once; `resume` takes from it what it holds already, and does not
    try again what did not answer in time, unless `timeout` is longer now. `timeout` is as in
    `hwprof.measure`. `listen` is told how a measurement gets on.

    Everything that was asked for is checked first: raises OptionError for what does not fit
    together, WrongModel (an OptionError too) where none of the files is there, DeviceError for a
    device that cannot be used here. Among several files or devices, one that is missing is a
    failure among the outcomes, as is everything that goes wrong later, except a table that cannot
    be opened, which raises TableError. Failures that lie in what was asked are `Outcome.refused`,
    and no rows.
    """
    files = _files(models)
    own = devices is None
    if devices is None:
        devices = tuple(dict.fromkeys(map(usual_device, files))) or USUAL
    asked = [devices] if isinstance(devices, (str, Target)) else list(devices)
    targets = targets_of(asked, threads, meter, custom_ops=custom_ops, timeout=timeout)
    # Of several devices that nobody named, each model takes its own alone.
    turns = len(targets) // len(asked) if own else len(targets)
    plan = (plan or Plan()).in_turns(turns)
    if resume and table is None:
        raise OptionError("resume takes results from a table; name the table")
    if any(batch < 1 for batch in batches):
        raise OptionError(f"batches must be at least 1, got {min(batches)}; try 1")
    _check_together(files, shapes, inputs, space, archs, sample, seed, resolution)
    marks, called = check_tags(tags), _names(files, name)
    jobs: list[Iterator[Turns]] = []
    first = targets[0][1]
    if space is None:
        number = len(files)
        for batch in batches or (None,):
            asked_of = jobs_for(files, first, shapes or {}, batch, inputs)
            named = [
                replace(job, name=each, tags=marks)
                for job, each in zip(asked_of, called, strict=True)
            ]
            jobs.append(_own_turns(named, targets) if own else in_turns(named, targets))
    else:
        known = spaces.get(space) if isinstance(space, str) else space
        texts = _texts(known, archs, sample, seed)
        number = len(texts)
        for batch in batches or (1,):
            built = architecture_jobs(known, texts, first, batch=batch, resolution=resolution)
            jobs.append(in_turns((replace(job, tags=marks) for job in built), targets))
    outcomes = _run(chain.from_iterable(jobs), plan, table, resume, check_outputs, timeout, listen)
    labels = tuple(label for label, _ in targets)
    return Sweep(outcomes, number * turns * len(batches or (1,)), labels)


def usual_restarts(targets: int) -> int | None:
    """Fresh processes per result where nobody says how many, by how many targets take turns.

    None for one target: as many as the precision needs.
    """
    return None if targets == 1 else RESTARTS_IN_TURNS


def target_of(
    device: str | Target,
    threads: int | None = None,
    meter: str | None = None,
    *,
    custom_ops: str | Path | None = None,
    timeout: float | None = None,
) -> Target:
    """The target that a device's text, threads, a meter, operators and a time-out name.

    Raises OptionError for what is given twice, and for a target of one's own beside any.
    """
    if isinstance(device, Target):
        if threads is not None or meter is not None or custom_ops is not None:
            raise OptionError(
                "a target brings its own threads, energy meter and operators; leave out threads, "
                "meter and custom_ops"
            )
        if timeout is not None:
            raise OptionError("a target brings its own time-out; leave out timeout")
        return device
    if threads is not None and "threads" in parse(device)[1]:
        raise OptionError(f"threads are given beside '{device}', which sets threads; keep one")
    options = {} if threads is None else {"threads": str(min(threads, MOST_THREADS))}
    options |= library_option(device, custom_ops)
    return WorkerTarget(device, options, meter=meter, timeout_s=timeout)


def targets_of(
    devices: Sequence[str | Target],
    threads: Sequence[int],
    meter: str | None,
    *,
    custom_ops: str | Path | None = None,
    timeout: float | None = None,
) -> list[tuple[str, Target]]:
    """Each device with each number of threads: how it was asked for, and its target.

    Among several, one that is unavailable fails when it is used. Raises OptionError and
    DeviceError for what no machine could measure, for the only device if it is unavailable, and
    for a device named twice.
    """
    if not devices:
        raise OptionError(f"there is no device to measure on; name one, such as {USUAL}")
    if any(count < 1 for count in threads):
        raise OptionError(
            f"threads must be at least 1, got {max(min(threads), -MOST_THREADS)}; try 1"
        )
    # A number too long to print is too large as well.
    counts = [min(count, MOST_THREADS) for count in threads]
    asked = [(d, t) for d in devices for t in counts or (None,)]
    found: list[tuple[str, Target]] = []
    seen: set[object] = set()
    for device, count in asked:
        label, identity = _named(device, count, several=len(threads) > 1)
        if identity in seen:
            raise OptionError(f"device '{label}' is asked for twice; keep one of them")
        seen.add(identity)
        target = target_of(device, count, meter, custom_ops=custom_ops, timeout=timeout)
        found.append((label, target))
    for _, target in found:
        try:
            target.spec  # noqa: B018 - what only the target can refuse, before any model is read
        except DeviceError:
            if len(found) == 1:
                raise
    return found


def opened(table: Table | str | Path | None) -> AbstractContextManager[Table | None]:
    """The table for a `with` block: one that was named is closed at its end. Raises TableError."""
    return Table.open(table) if isinstance(table, (str, Path)) else nullcontext(table)


def _named(device: str | Target, count: int | None, *, several: bool) -> tuple[str, object]:
    """How a device was asked for, and what makes two of them the same."""
    if isinstance(device, Target):
        try:
            return device.spec.slug, id(device)
        except HwprofError:
            return type(device).__name__, id(device)
    name, own = parse(device)
    label = device
    if several and count is not None:
        label = f"{device}{',' if own else ':'}threads={count}"
    return label, (name, tuple(sorted({"threads": str(count or 1), **own}.items())))


def _own_turns(jobs: Iterable[Job], targets: Sequence[tuple[str, Target]]) -> Iterator[Turns]:
    """Each job on those of `targets` that are its model's usual device."""
    for job in jobs:
        usual = usual_device(job.model)
        yield from in_turns([job], [each for each in targets if parse(each[0])[0] == usual])


def _check_together(
    files: Sequence[Path],
    shapes: Mapping[str, Sequence[int]] | None,
    inputs: Asked,
    space: str | Space | None,
    archs: Sequence[str],
    sample: int | None,
    seed: int,
    resolution: int | None,
) -> None:
    """Raise OptionError unless it is either files or architectures, with what belongs to them."""
    if isinstance(archs, str):
        raise OptionError("archs must be several texts, not one; pass it in a list")
    if space is None:
        if archs or sample is not None or resolution is not None:
            raise OptionError(
                "archs, samples and a resolution are for architectures; name their search space"
            )
        if not files:
            raise OptionError("name the models to measure, or a search space")
    elif files:
        raise OptionError("measure either files or architectures of a space, one at a time")
    elif bool(archs) == (sample is not None):
        raise OptionError("with a search space, say which architectures: either archs or a sample")
    elif sample is not None and sample < 1:
        raise OptionError(f"a sample must be of at least 1 architecture, got {sample}; try 10")
    elif seed < 0:
        raise OptionError(f"a seed must be 0 or more, got {seed}; any such number will do")
    elif shapes or inputs is not None:
        raise OptionError(
            "shapes and values of inputs are for files; a resolution sets the input of a search "
            "space"
        )


def _names(files: Sequence[Path], name: str | None) -> list[str | None]:
    """What each file is called. Raises OptionError for a name for several, or for none.

    WrongModel where no file is there at all: nothing would be measured.
    """
    if name is not None and len(files) != 1:
        raise OptionError("a name is for a single model file; leave it out, or measure one alone")
    if files and not any(os.path.isfile(file) for file in files):  # noqa: PTH113 - never raises
        plain_size(files[0])
    return names_of(files) if name is None else [check_name(name)]


def _texts(space: Space, archs: Sequence[str], sample: int | None, seed: int) -> list[str]:
    """The architectures that were asked for, as the space writes them."""
    if sample is None:
        return space.texts(space.indices(list(archs)))
    import numpy as np

    return space.texts(space.sample(sample, np.random.default_rng(seed)))


def _run(
    jobs: Iterable[Turns],
    plan: Plan,
    table: Table | str | Path | None,
    resume: bool,
    check_outputs: bool,
    timeout: float | None,
    listen: Listen | None,
) -> Generator[Outcome, None, None]:
    # The table is opened when the first outcome is asked for: a sweep that is only made, or that
    # does not fit together, leaves no file.
    agreement = Agreement(timeout_s=timeout) if check_outputs else None
    with opened(table) as kept:
        yield from run_campaign(
            jobs,
            plan,
            kept,
            resume=resume,
            timeout_s=timeout,
            agreement=agreement,
            listen=listen,
        )


def _files(models: str | Path | Sequence[str | Path]) -> list[Path]:
    given = [models] if isinstance(models, (str, Path)) else models
    return [Path(model) for model in given]
