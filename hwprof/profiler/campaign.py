"""Many measurements, each saved before the next one starts, and resumable after any end."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from hwprof.errors import HwprofError, OptionError, TableError
from hwprof.lut import Table
from hwprof.measurement import Failure, Measurement
from hwprof.models.base import printable
from hwprof.models.inputs.given import ALL, Asked
from hwprof.models.load import input_names, load_model
from hwprof.presented import Presented
from hwprof.profiler.agreement import Agreement
from hwprof.profiler.bench import Bench, Progress
from hwprof.profiler.failures import failure_of, job_mark, known_to_hang, whole
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
    tags: tuple[str, ...] = ()
    """What its measurement is marked with."""
    fault: HwprofError | None = None
    """Why there is nothing to measure: the model could not even be written."""


@dataclass(frozen=True, slots=True, repr=False)
class Outcome(Presented):
    """What became of a job: a measurement or a failure, or both where a failure cut it off.

    `resumed` marks what the table already held. `unsaved` is set when the table could not take the
    result; the campaign is over with the last one of its turn. `error` is what a failure was raised
    as.
    """

    job: Job
    measurement: Measurement | None = None
    failure: Failure | None = None
    resumed: bool = False
    unsaved: TableError | None = None
    error: Exception | None = None

    @property
    def refused(self) -> bool:
        """Whether it failed by what the caller wrote: a file that is not there, a wrong shape.

        Nothing was tried then, and the table keeps no row of it.
        """
        return isinstance(self.error, OptionError)

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
        except Exception:
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
    timeout_s: float | None = None,
    agreement: Agreement | None = None,
    listen: Callable[[Job, Progress], object] | None = None,
) -> Iterator[Outcome]:
    """Measure every job, saving each result at once; yields outcomes in order.

    Without a table nothing is saved, and the outcomes are all there is.
    A tuple of jobs is measured in turns, forwards and backwards, each in as many restarts, and
    saved when its plan is done.
    With `resume`, a job whose model, shapes, device and plan the table holds already is not
    measured again, and one that did not answer in time is not tried again unless `timeout_s` is
    longer now. With `agreement`, outputs are compared once the first restart is timed. A job that
    fails, by whatever error, becomes a failure and the rest goes on; one that was asked for wrongly
    is no row.
    """
    run_id = uuid.uuid4().hex
    costs = NodeCosts(table)
    for entry in jobs:
        turns = (entry,) if isinstance(entry, Job) else entry
        agreed = plan.in_turns(len(turns))
        asked = _Asked(agreed, table, costs, run_id, resume, timeout_s, agreement, listen)
        started = [_start(job, asked) for job in turns]
        _alternate([s for s in started if isinstance(s, _Started)])
        over = False
        for each in started:
            outcome = each.outcome() if isinstance(each, _Started) else each
            try:
                if table is not None:
                    _save(outcome, table)
            except TableError as error:
                # The result is handed over all the same: it exists nowhere else. So are those of
                # the other devices that took turns.
                outcome = replace(outcome, unsaved=error)
                over = True
            yield outcome
        if over:
            return


def early(table: Table) -> Callable[[Measurement], None]:
    """Saves a record whose latency is known, before the rest of it is measured.

    A table that cannot take it says so when the whole record is saved.
    """

    def keep(measurement: Measurement) -> None:
        with suppress(TableError):
            table.replace(measurement)

    return keep


def _save(outcome: Outcome, table: Table) -> None:
    """Keep what is new of an outcome: both of a measurement that a failure cut off."""
    if outcome.resumed:
        return
    if outcome.measurement is not None:
        table.replace(outcome.measurement)
    if outcome.failure is not None and not outcome.refused:
        table.add_failure(outcome.failure)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a campaign asks of every job."""

    plan: Plan
    table: Table | None
    costs: NodeCosts
    run_id: str
    resume: bool
    timeout_s: float | None
    agreement: Agreement | None
    listen: Callable[[Job, Progress], object] | None


@dataclass(slots=True)
class _Started:
    """A job under way, and what ended it if something did."""

    job: Job
    bench: Bench
    run_id: str
    mark: str
    error: Exception | None = None

    def step(self) -> None:
        try:
            self.bench.step()
        except Exception as error:  # the rest of the campaign goes on, whatever it is
            self.error = error

    def outcome(self) -> Outcome:
        """Its result. What restarts gave before one of them failed comes with the failure."""
        try:
            if self.error is None:
                return Outcome(self.job, self.bench.finish())
            measurement = self.bench.cut_off(self.error)
        except Exception as error:
            return _failed(self.job, error, self.run_id, self.mark)
        failed = _failed(self.job, self.error, self.run_id, self.mark)
        return replace(failed, measurement=measurement)


def _start(job: Job, asked: _Asked) -> _Started | Outcome:
    """A job ready to be stepped; its outcome where there is nothing to measure."""

    def tell(progress: Progress) -> None:
        if asked.listen is not None:
            asked.listen(job, progress)

    mark, kept = "", None
    table = asked.table
    try:
        if job.fault is not None:
            raise job.fault
        spec = job.target.spec
        model = load_model(
            job.model,
            shapes=job.shapes,
            batch=job.batch,
            inputs=job.inputs,
            name=job.name,
            room_bytes=spec.hardware.memory_bytes or None,
        )
        mark = job_mark(model.subject.key, spec.fingerprint)
        if asked.resume and table is not None:
            kept = table.find(model.subject.key, spec.fingerprint, asked.plan.facts())
            # One that was cut off after its latency still lacks the rest.
            if kept is not None and whole(kept):
                return Outcome(job, kept, resumed=True)
            hung = known_to_hang(table, mark, asked.timeout_s)
            if hung is not None:
                return Outcome(job, kept, hung, resumed=True)
        check = None if asked.agreement is None else asked.agreement.of(model, spec)
        bench = Bench(
            model,
            job.target,
            asked.plan,
            run_id=asked.run_id,
            node_cost=asked.costs.of(job.target),
            check=check,
            keep=None if table is None else early(table),
            tags=job.tags,
            listen=tell,
            # What was cut off is made whole, not kept beside.
            replaces=None if kept is None else kept.id,
        )
    except TableError:
        raise
    except Exception as error:
        return _failed(job, error, asked.run_id, mark)
    return _Started(job, bench, asked.run_id, mark)


def _alternate(started: Sequence[_Started]) -> None:
    """Step all benches to their end: a b c, c b a, a b c, ..."""
    forwards = True
    going = list(started)
    while going:
        for each in going if forwards else going[::-1]:
            each.step()
        going = [each for each in going if each.error is None and not each.bench.done]
        forwards = not forwards


def _failed(job: Job, error: Exception, run_id: str, mark: str = "") -> Outcome:
    try:
        device = job.target.spec.slug
    except Exception:  # it may be what failed
        device = job.device or "unknown"
    name = job.name or printable(str(job.model))
    failure = failure_of(error, name, device, run_id, mark)
    return Outcome(job, failure=failure, error=error)
