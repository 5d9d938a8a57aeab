"""The JSON documents that commands print. Seconds, joules and bytes throughout."""

from __future__ import annotations

import json
from typing import Any

from hwprof.codec import to_builtins, to_json
from hwprof.measurement import Failure, Measurement
from hwprof.opcosts import bytes_moved
from hwprof.opcosts.known import flops_or_none
from hwprof.profile import Profile
from hwprof.profiler.compare import Comparison
from hwprof.profiler.judge import Judgement
from hwprof.report.facts import kernel_groups, per_op_reason, unknown_ops, verdict_text


def json_text(document: Any) -> str:
    """A document, or any of hwprof's records, as indented JSON."""
    return json.dumps(json.loads(to_json(document)), indent=2)


def latency_document(measurement: Measurement) -> dict[str, Any]:
    """`latency_s` of a result."""
    latency = measurement.latency
    return {
        "p25": latency.p25_s,
        "median": latency.median_s,
        "min": latency.min_s,
        "mean": latency.mean_s,
        "ci95": latency.ci95_s,
        "n": latency.n,
        "n_used": latency.n_used,
        "clean_share": latency.clean_share,
        "waiting_share": latency.waiting_share,
        "basis": latency.basis.value,
        "headline": "p25",
        "percentiles": {f"p{p * 100:g}": v for p, v in latency.percentiles_s.items()},
    }


def kernel_documents(profile: Profile | None) -> list[dict[str, Any]]:
    """One entry per distinct kernel, in order of first appearance."""
    documents = []
    for group in kernel_groups(profile):
        kernel, moved = group.kernel, bytes_moved(group.kernel)
        documents.append(
            {
                "key": kernel.key,
                "op": kernel.op,
                "domain": kernel.domain,
                "count": group.calls,
                "latency_s": group.latency_s,
                "below_clock": group.below_clock,
                "flops": flops_or_none(kernel),
                "bytes": None if moved is None else to_builtins(moved),
                "input_shapes": [None if t is None else list(t.shape) for t in kernel.inputs],
                "output_shapes": [None if t is None else list(t.shape) for t in kernel.outputs],
                "source_nodes": [list(o.source_nodes) for o in group.occurrences],
            }
        )
    return documents


def measurement_document(measurement: Measurement) -> dict[str, Any]:
    """A result as `hwprof measure --json` prints it."""
    device, memory, profile = measurement.device, measurement.memory, measurement.profile
    reading, made = measurement.energy.reading, measurement.throughput
    return {
        "model": measurement.subject.name,
        "sha256": measurement.subject.sha256,
        "id": measurement.id,
        "run_id": measurement.run_id,
        "created_at": measurement.created_at,
        "source": measurement.source,
        "tags": list(measurement.tags),
        "inputs": [
            {"name": t.name, "dtype": t.dtype, "shape": list(t.shape)}
            for t in measurement.subject.inputs
        ],
        "values": to_builtins(measurement.subject.values),
        "batch": measurement.subject.batch,
        "device": {
            "slug": device.slug,
            "fingerprint": device.fingerprint,
            **to_builtins(device),
        },
        "latency_s": latency_document(measurement),
        "inputs_per_s": None if made is None else made.per_s,
        "inputs_per_s_ci95": None if made is None else made.ci95_per_s,
        "setup_s": [r.setup_s for r in measurement.restarts],
        "first_run_s": [r.first_run_s for r in measurement.restarts],
        "stop": [r.stop.value for r in measurement.restarts],
        "peak_memory_bytes": memory.peak_bytes,
        "memory": to_builtins(memory),
        "energy_gross_j": None if reading is None else reading.gross_j_per_run,
        "energy_net_j": None if reading is None else reading.net_j_per_run,
        "energy_reason": measurement.energy.reason,
        "energy": None if reading is None else to_builtins(reading),
        "kernels": kernel_documents(profile),
        "kernels_total_s": None if profile is None else profile.total_s(),
        "kernels_gap": measurement.kernels_gap,
        "kernels_believed": not measurement.kernels_reason,
        "kernels_not_believed_reason": measurement.kernels_reason,
        "kernels_clean_runs": None if profile is None else profile.clean_suffice,
        "kernels_never_ran": [] if profile is None else list(profile.never_ran),
        "kernels_reason": per_op_reason(measurement),
        "unknown_ops": unknown_ops(profile),
        "uncovered_nodes": [] if profile is None else list(profile.uncovered),
        "profiler_node_cost_s": None if profile is None else profile.node_cost_s,
        "profiler_pass_cost_s": None if profile is None else profile.pass_cost_s,
        "warnings": to_builtins(measurement.warnings),
        "plan": dict(measurement.plan),
        "provenance": to_builtins(measurement.provenance),
    }


def failure_document(failure: Failure, *, kept: bool = True) -> dict[str, Any]:
    """A measurement that did not come about, among the results of `--json`.

    Its `source` is `failed`, and there is a `reason` and no latency. Without an id it is no row.
    """
    return {
        "model": failure.subject,
        "id": failure.id if kept else None,
        "run_id": failure.run_id,
        "created_at": failure.created_at,
        "source": "failed",
        "device": {"slug": failure.device},
        "latency_s": None,
        "reason": failure.reason,
    }


def row_document(row: Measurement | Failure) -> dict[str, Any]:
    """Any row of a table."""
    return failure_document(row) if isinstance(row, Failure) else measurement_document(row)


def judgement_document(judgement: Judgement | None) -> dict[str, Any] | None:
    """What `--fail-above` came to; None where there is no limit."""
    if judgement is None:
        return None
    return {
        "verdict": judgement.verdict.value,
        "limit": judgement.limit,
        "reason": judgement.reason,
    }


def comparison_document(
    comparison: Comparison, judgement: Judgement | None = None
) -> dict[str, Any]:
    """A comparison as `hwprof compare --json` prints it: unlike sides have no ratio."""
    told = not comparison.unlike
    return {
        "ratio": comparison.ratio if told else None,
        "ci95": comparison.ci95 if told else None,
        "different": comparison.different,
        "verdict": verdict_text(comparison),
        "unlike": list(comparison.unlike),
        "method": comparison.method,
        "notes": list(comparison.notes),
        "gate": judgement_document(judgement),
        "a": measurement_document(comparison.a),
        "b": measurement_document(comparison.b),
    }
