"""Any result as plain data, as a data frame, or for a notebook: what `Presented` looks up."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from hwprof.errors import OptionError
from hwprof.measurement import Failure, Measurement
from hwprof.presented import Presented
from hwprof.profiler.campaign import Outcome
from hwprof.profiler.compare import Comparison
from hwprof.profiler.sweep import Sweep
from hwprof.report.document import comparison_document, measurement_document
from hwprof.report.facts import subject_inputs
from hwprof.report.visible import visible_lines

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]

COLUMNS = (
    *("id", "created_at", "model", "inputs", "batch", "device", "threads", "latency_s"),
    *("ci95_low_s", "ci95_high_s", "median_s", "min_s", "p90_s", "p99_s", "samples", "clean_share"),
    *("inputs_per_s", "peak_memory_bytes", "energy_gross_j", "energy_net_j", "kernels_total_s"),
    *("warnings", "failure"),
)
"""Of every data frame; that of a comparison has more."""


def document(result: Presented) -> Row:
    """The content of a result as plain data, as `--json` prints it; a sweep is measured first."""
    match result:
        case Measurement():
            return measurement_document(result)
        case Comparison():
            return comparison_document(result)
        case Outcome(measurement=Measurement() as measurement):
            return measurement_document(measurement)
        case Outcome(failure=Failure() as failure):
            return _failure_document(failure)
        case Sweep():
            outcomes = [document(outcome) for outcome in result.finished()]
            return {"devices": list(result.devices), "outcomes": outcomes}
    raise _stranger(result)


def frame(result: Presented) -> pandas.DataFrame:
    """A row for each measurement and failure of a result. Raises OptionError without pandas."""
    try:
        import pandas
    except ImportError as error:
        raise OptionError(
            "to_pandas needs pandas, which is not installed; install it with pip install pandas"
        ) from error
    rows = _rows(result)
    names = dict.fromkeys((*COLUMNS, *(name for row in rows for name in row)))
    return pandas.DataFrame(rows, columns=list(names))


def html(result: Presented) -> str:
    """The text of the terminal, preformatted; nothing in a name is taken for markup."""
    # rich is not needed for the other forms.
    from hwprof.report.text import comparison_page, measurement_page

    match result:
        case Measurement():
            text = measurement_page(result).plain()
        case Outcome(measurement=Measurement() as measurement):
            text = measurement_page(measurement).plain()
        case Comparison():
            text = comparison_page(result).plain()
        case Sweep():
            text = "\n".join([result.brief, *(outcome.brief for outcome in result.outcomes)])
        case _:
            text = result.brief
    return f'<pre style="overflow-x: auto">{escape(visible_lines(text.strip()))}</pre>'


def _rows(result: Presented) -> list[Row]:
    match result:
        case Measurement():
            return [_row(result)]
        case Outcome(measurement=Measurement() as measurement, failure=failure):
            # Both where a failure cut a measurement off.
            return [_row(measurement) | {"failure": None if failure is None else failure.reason}]
        case Outcome(failure=Failure() as failure):
            return [_failure_row(failure)]
        case Sweep():
            return [row for outcome in result.finished() for row in _rows(outcome)]
        case Comparison():
            low, high = result.ci95 or (None, None)
            ratio = {"ratio": result.ratio, "ratio_low": low, "ratio_high": high}
            return [
                {"side": "a", **_row(result.a), **ratio},
                {"side": "b", **_row(result.b), **ratio},
            ]
    raise _stranger(result)


def _row(measurement: Measurement) -> Row:
    latency, made = measurement.latency, measurement.throughput
    reading, profile = measurement.energy.reading, measurement.profile
    low_s, high_s = latency.ci95_s or (None, None)
    return {
        "id": measurement.id,
        "created_at": measurement.created_at,
        "model": measurement.subject.name,
        "inputs": subject_inputs(measurement.subject),
        "batch": measurement.subject.batch,
        "device": measurement.device.slug,
        "threads": measurement.device.threads,
        "latency_s": latency.headline_s,
        "ci95_low_s": low_s,
        "ci95_high_s": high_s,
        "median_s": latency.median_s,
        "min_s": latency.min_s,
        "p90_s": latency.percentiles_s.get(0.9),
        "p99_s": latency.percentiles_s.get(0.99),
        "samples": latency.n,
        "clean_share": latency.clean_share,
        "inputs_per_s": None if made is None else made.per_s,
        "peak_memory_bytes": measurement.memory.peak_bytes,
        "energy_gross_j": None if reading is None else reading.gross_j_per_run,
        "energy_net_j": None if reading is None else reading.net_j_per_run,
        "kernels_total_s": None if profile is None else profile.total_s(),
        "warnings": ", ".join(warning.code.value for warning in measurement.warnings),
    }


def _failure_document(failure: Failure) -> Row:
    return {
        "model": failure.subject,
        "id": failure.id,
        "run_id": failure.run_id,
        "created_at": failure.created_at,
        "source": "failed",
        "device": {"slug": failure.device},
        "latency_s": None,
        "reason": failure.reason,
    }


def _failure_row(failure: Failure) -> Row:
    return {
        "id": failure.id,
        "created_at": failure.created_at,
        "model": failure.subject,
        "device": failure.device,
        "failure": failure.reason,
    }


def _stranger(result: Presented) -> TypeError:
    return TypeError(f"a {type(result).__name__} has no such form")
