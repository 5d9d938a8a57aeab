"""Many measurements, each saved before the next one starts, and resumable after any end."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from hwprof.errors import HwprofError, ModelError, OptionError, TableError
from hwprof.lut import Table
from hwprof.measurement import Failure, Measurement
from hwprof.models.base import printable
from hwprof.models.inputs.given import ALL, Asked
from hwprof.models.load import input_names, load_model
from hwprof.presented import Presented
from hwprof.profiler.agreement import Agreement
from hwprof.profiler.bench import UNFINISHED, Bench, Progress, utc_now
from hwprof.profiler.node_cost import NodeCosts
from hwprof.profiler.plan import Plan
from hwprof.targets.base import Target


@dataclass(frozen=True, slots=True)
class Job:
    """One model to be measured on one target."""

    model: Path
    target: Target
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    batch: int | None = None
    inputs: Asked = None
    """Values for inputs, as hwprof.models.inputs.given has them."""
    name: str | None = None
    """What the model is called; None takes its file's name."""
    device: str = ""
    """The device as it was asked for: what a failure names when it has no spec."""


@dataclass(frozen=True, slots=True, repr=False)
class Outcome(Presented):
    """What became of a job: a measurement or a failure.

    `resumed` marks a measurement that the table already held. `unsaved` is set, and the campaign
    over, when the table could not take the result.
    """

    job: Job
    measurement: Measurement | None = None
    failure: Failure | None = None
    resumed: bool = False
    unsaved: TableError | None = None

    @property
    def brief(self) -> str:
        if self.measurement is not None:
            return self.measurement.brief
        if self.failure is None:
            return "nothing"
        return f"{self.failure.subject} on {self.failure.device}: failed, {self.failure.reason}"


def jobs_for(
    models: Sequence[Path],
    target: Target,
    shapes: Mapping[str, Sequence[int]],
    batch: int | None = None,
    inputs: Asked = None,
) -> list[Job]:
    """A job per model. With several models, each takes only what names an input it has.

    Raises OptionError for a shape or a value whose input no readable model has.
    """
    named = inputs if isinstance(inputs, Mapping) else {}
    if len(models) == 1 or not (shapes or named):
        return [Job(model, target, shapes, batch, inputs) for model in models]
    jobs: list[Job] = []
    known: set[str] = set()
    for model in models:
        try:
            names = input_names(model)
        except ModelError:
            names = set()  # the job itself will say what is wrong with the file
        known |= names
        own = {name: dims for name, dims in shapes.items() if name in names}
        values = {name: each for name, each in named.items() if name in names or name == ALL}
        jobs.append(Job(model, target, own, batch, values if named else inputs))
    for option, asked in (("--shape", shapes), ("--input", named)):
        for name in asked:
            if name not in known and name != ALL:
                raise OptionError(
                    f"no model has an input '{name}', which {option} names; check its spelling"
                )
    return jobs


Turns = tuple[Job, ...]
"""Jobs measured in turns, one restart each: drift of the machine hits all of them alike."""


def in_turns(jobs: Iterable[Job], targets: Sequence[tuple[str, Target]]) -> Iterator[Turns]:
    """Each of `jobs` on every one of `targets` (what it was asked for as, and itself) in turns."""
    for job in jobs:
        yield tuple(replace(job, target=target, device=name) for name, target in targets)


def run_campaign(
    jobs: Iterable[Job | Turns],
    plan: Plan,
    table: Table | None,
    *,
    resume: bool = False,
    agreement: Agreement | None = None,
    listen: Callable[[Job, Progress], object] | None = None,
) -> Iterator[Outcome]:
    """Measure every job, saving each result at once; yields outcomes in order.

    Without a table nothing is saved, and the outcomes are all there is.
    A tuple of jobs is measured in turns, forwards and backwards, each in as many restarts, and
    saved when its plan is done.
    With `resume`, a job whose model, shapes, device and plan the table holds already is not
    measured again. With `agreement`, outputs are compared once the first restart is timed. A job
    that fails becomes a failure and the rest goes on.
    """
    run_id = uuid.uuid4().hex
    costs = NodeCosts(table)
    for entry in jobs:
        turns = (entry,) if isinstance(entry, Job) else entry
        agreed = plan.in_turns(len(turns))
        started = [
            _start(job, agreed, table, costs, run_id, resume, agreement, listen) for job in turns
        ]
        _alternate([s for s in started if isinstance(s, _Started)])
        for each in started:
            outcome = each.outcome(run_id) if isinstance(each, _Started) else each
            try:
                if table is not None:
                    _save(outcome, table)
            except TableError as error:
                # The result is handed over all the same: it exists nowhere else.
                yield Outcome(outcome.job, outcome.measurement, outcome.failure, unsaved=error)
                return
            yield outcome


def early(table: Table) -> Callable[[Measurement], None]:
    """Saves a record whose latency is known, before the rest of it is measured.

    A table that cannot take it says so when the whole record is saved.
    """

    def keep(measurement: Measurement) -> None:
        with suppress(TableError):
            table.replace(measurement)

    return keep


def _save(outcome: Outcome, table: Table) -> None:
    if outcome.measurement is not None and not outcome.resumed:
        table.replace(outcome.measurement)
    elif outcome.failure is not None:
        table.add_failure(outcome.failure)


@dataclass(slots=True)
class _Started:
    """A job under way, and what ended it if something did."""

    job: Job
    bench: Bench
    error: HwprofError | None = None

    def step(self) -> None:
        try:
            self.bench.step()
        except TableError:
            raise
        except HwprofError as error:
            self.error = error

    def outcome(self, run_id: str) -> Outcome:
        if self.error is not None:
            return _failed(self.job, self.error, run_id)
        try:
            return Outcome(self.job, self.bench.finish())
        except TableError:
            raise
        except HwprofError as error:
            return _failed(self.job, error, run_id)


def _start(
    job: Job,
    plan: Plan,
    table: Table | None,
    costs: NodeCosts,
    run_id: str,
    resume: bool,
    agreement: Agreement | None,
    listen: Callable[[Job, Progress], object] | None,
) -> _Started | Outcome:
    """A job ready to be stepped; its outcome where there is nothing to measure."""

    def tell(progress: Progress) -> None:
        if listen is not None:
            listen(job, progress)

    try:
        spec = job.target.spec
        model = load_model(
            job.model,
            shapes=job.shapes,
            batch=job.batch,
            inputs=job.inputs,
            name=job.name,
            room_bytes=spec.hardware.memory_bytes or None,
        )
        if resume and table is not None:
            kept = table.find(model.subject.key, spec.fingerprint, plan.facts())
            # One that was cut off after its latency still lacks its kernels.
            if kept is not None and kept.profile_reason != UNFINISHED:
                return Outcome(job, kept, resumed=True)
        check = None if agreement is None else agreement.of(model, spec)
        bench = Bench(
            model,
            job.target,
            plan,
            run_id=run_id,
            node_cost=costs.of(job.target),
            check=check,
            keep=None if table is None else early(table),
            listen=tell,
        )
    except TableError:
        raise
    except HwprofError as error:
        return _failed(job, error, run_id)
    return _Started(job, bench)


def _alternate(started: Sequence[_Started]) -> None:
    """Step all benches to their end: a b c, c b a, a b c, ..."""
    forwards = True
    going = list(started)
    while going:
        for each in going if forwards else going[::-1]:
            each.step()
        going = [each for each in going if each.error is None and not each.bench.done]
        forwards = not forwards


def _failed(job: Job, error: HwprofError, run_id: str) -> Outcome:
    try:
        device = job.target.spec.slug
    except HwprofError:
        device = job.device or "unknown"
    name = job.name or printable(str(job.model))
    return Outcome(
        job,
        failure=Failure(uuid.uuid4().hex, run_id, utc_now(), name, device, str(error)),
    )
