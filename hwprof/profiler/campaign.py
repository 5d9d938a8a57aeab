"""Many measurements, each saved before the next one starts, and resumable after any end."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hwprof.devices.target import Target
from hwprof.errors import DeviceError, HwprofError, ModelError, OptionError, TableError
from hwprof.lut import Table
from hwprof.measurement import Failure, Measurement
from hwprof.profiler.bench import Listener, Progress, measure_on, utc_now
from hwprof.profiler.model_file import declared_inputs, load_model, printable, read_proto
from hwprof.profiler.node_cost import NodeCosts
from hwprof.profiler.plan import Plan


@dataclass(frozen=True, slots=True)
class Job:
    """One model to be measured on one target."""

    model: Path
    target: Target
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    batch: int | None = None
    name: str | None = None
    """What the model is called; None takes its file's name."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: a measurement or a failure.

    `resumed` marks a measurement that the table already held. `unsaved` is set, and the campaign
    over, when the table could not take the result.
    """

    job: Job
    measurement: Measurement | None = None
    failure: Failure | None = None
    resumed: bool = False
    unsaved: TableError | None = None


def jobs_for(
    models: Sequence[Path],
    target: Target,
    shapes: Mapping[str, Sequence[int]],
    batch: int | None = None,
) -> list[Job]:
    """A job per model. With several models, each takes only the `shapes` of inputs it has.

    Raises OptionError for a shape whose input no readable model has.
    """
    if len(models) == 1 or not shapes:
        return [Job(model, target, shapes, batch) for model in models]
    own: list[Mapping[str, Sequence[int]]] = []
    for model in models:
        try:
            names = {name for name, _, _ in declared_inputs(read_proto(model))}
        except ModelError:
            names = set()  # the job itself will say what is wrong with the file
        own.append({name: dims for name, dims in shapes.items() if name in names})
    for name in shapes:
        if not any(name in known for known in own):
            raise OptionError(
                f"no model has an input '{name}', which --shape names; check its spelling"
            )
    return [Job(model, target, known, batch) for model, known in zip(models, own, strict=True)]


def run_campaign(
    jobs: Iterable[Job],
    plan: Plan,
    table: Table,
    *,
    resume: bool = False,
    listen: Callable[[Job, Progress], object] | None = None,
) -> Iterator[Outcome]:
    """Measure every job, saving each result at once; yields outcomes in order.

    With `resume`, a job whose model, shapes, device and plan the table holds already is not
    measured again. A job that fails becomes a failure and the rest goes on.
    """
    run_id = uuid.uuid4().hex
    costs = NodeCosts(table)
    for job in jobs:
        try:
            outcome = _one(job, plan, table, costs, run_id, resume, listen)
        except TableError:
            raise
        except HwprofError as error:
            outcome = _failed(job, error, run_id)
        try:
            if outcome.measurement is not None and not outcome.resumed:
                table.add(outcome.measurement)
            elif outcome.failure is not None:
                table.add_failure(outcome.failure)
        except TableError as error:
            # The result is handed over all the same: it exists nowhere else.
            yield Outcome(job, outcome.measurement, outcome.failure, unsaved=error)
            return
        yield outcome


def _one(
    job: Job,
    plan: Plan,
    table: Table,
    costs: NodeCosts,
    run_id: str,
    resume: bool,
    listen: Callable[[Job, Progress], object] | None,
) -> Outcome:
    model = load_model(job.model, shapes=job.shapes, batch=job.batch, name=job.name)
    if resume:
        kept = table.find(model.subject.key, job.target.spec.fingerprint, plan.facts())
        if kept is not None:
            return Outcome(job, kept, resumed=True)

    def tell(progress: Progress) -> None:
        if listen is not None:
            listen(job, progress)

    listener: Listener = tell
    measurement = measure_on(
        model, job.target, plan, run_id=run_id, node_cost=costs.of(job.target), listen=listener
    )
    return Outcome(job, measurement)


def _failed(job: Job, error: HwprofError, run_id: str) -> Outcome:
    try:
        device = job.target.spec.slug
    except DeviceError:
        device = "unknown"
    name = job.name or printable(str(job.model))
    return Outcome(
        job,
        failure=Failure(uuid.uuid4().hex, run_id, utc_now(), name, device, str(error)),
    )
