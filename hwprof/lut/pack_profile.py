"""The per-kernel half of a measurement as rows: kernels are stored once, whoever runs them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hwprof.codec import CodecError, from_json
from hwprof.graph import Kernel, TensorSpec
from hwprof.lut import rows
from hwprof.lut.plausible import check_kernel
from hwprof.lut.rows import canonical_json
from hwprof.profile import KernelOccurrence, Profile

# Durations are ticks of coarse clocks at times, which pack well. Kernels are stored once and read
# for each of their places: together no longer than this, in letters.
_FREE_ELEMENTS = 1 << 17
_ELEMENTS_PER_BYTE = 32
_LONGEST_KERNEL = 1 << 20
_LONGEST_KERNELS = 1 << 26


@dataclass(frozen=True, slots=True)
class PackedProfile:
    """The rows of one profile. `kernels` holds each distinct kernel once."""

    runs: rows.ProfileRow
    occurrences: tuple[rows.OccurrenceRow, ...]
    kernels: tuple[rows.KernelRow, ...]


def pack_profile(measurement_id: str, profile: Profile) -> PackedProfile:
    """Raises ValueError for timings that are not finite."""
    kernels: dict[str, rows.KernelRow] = {}
    occurrences = []
    for position, occurrence in enumerate(profile.occurrences):
        kernel = _pack_kernel(occurrence.kernel)
        kernels[kernel.id] = kernel
        occurrences.append(_pack_occurrence(measurement_id, position, occurrence, kernel.id))
    return PackedProfile(
        _pack_runs(measurement_id, profile), tuple(occurrences), tuple(kernels.values())
    )


def unpack_profile(packed: PackedProfile) -> Profile:
    """The profile that `pack_profile` was given. Raises ValueError for damaged rows."""
    runs = packed.runs
    _check_sizes(packed)
    kernels = {kernel.id: _unpack_kernel(kernel) for kernel in packed.kernels}
    return Profile(
        tuple(_unpack_occurrence(o, kernels, runs.runs) for o in packed.occurrences),
        rows.unpack_floats(runs.run_wall, runs.runs),
        None if runs.run_switches is None else rows.unpack_ints(runs.run_switches, runs.runs),
        runs.node_cost_s,
        runs.node_cost_source,
        from_json(runs.uncovered, tuple[str, ...]),
        runs.node_cost_reason,
        runs.mapping,
        rows.unpack_known(runs.run_cpu, runs.runs),
        rows.unpack_known(runs.run_waited, runs.runs),
        from_json(runs.never_ran, tuple[str, ...]),
        runs.pass_cost_s,
    )


def _check_sizes(packed: PackedProfile) -> None:
    runs = packed.runs
    known = (runs.run_wall, runs.run_switches, runs.run_cpu, runs.run_waited)
    arrays = [blob for blob in known if blob is not None]
    arrays += [occurrence.durations for occurrence in packed.occurrences]
    elements, size = max(runs.runs, 0) * len(arrays), sum(map(len, arrays))
    if elements > min(rows.MAX_ELEMENTS, _FREE_ELEMENTS + _ELEMENTS_PER_BYTE * size):
        raise CodecError(f"its profile promises {elements} timings in {size} bytes")
    lengths = {
        kernel.id: sum(map(len, (kernel.op, kernel.attributes, kernel.inputs, kernel.outputs)))
        for kernel in packed.kernels
    }
    places = sum(lengths.get(occurrence.kernel_id, 0) for occurrence in packed.occurrences)
    if max(lengths.values(), default=0) > _LONGEST_KERNEL or places > _LONGEST_KERNELS:
        raise CodecError("the texts of its kernels are longer than any")


def _pack_runs(measurement_id: str, profile: Profile) -> rows.ProfileRow:
    switches = profile.run_switches
    return rows.ProfileRow(
        measurement_id=measurement_id,
        runs=int(profile.run_wall_s.size),
        run_wall=rows.pack_floats(profile.run_wall_s),
        run_switches=None if switches is None else rows.pack_ints(switches),
        run_cpu=rows.pack_known(profile.run_cpu_s),
        run_waited=rows.pack_known(profile.run_waited_s),
        node_cost_s=profile.node_cost_s,
        node_cost_source=profile.node_cost_source,
        uncovered=canonical_json(profile.uncovered),
        node_cost_reason=profile.node_cost_reason,
        mapping=profile.mapping,
        never_ran=canonical_json(profile.never_ran),
        pass_cost_s=profile.pass_cost_s,
    )


def _pack_kernel(kernel: Kernel) -> rows.KernelRow:
    content = (
        kernel.domain,
        kernel.op,
        canonical_json(kernel.attributes),
        canonical_json([None if t is None else replace(t, name="") for t in kernel.inputs]),
        canonical_json([None if t is None else replace(t, name="") for t in kernel.outputs]),
    )
    identity = hashlib.sha256(canonical_json(content).encode()).hexdigest()[:32]
    return rows.KernelRow(identity, kernel.key_hash, kernel.key, *content)


def _unpack_kernel(row: rows.KernelRow) -> Kernel:
    kernel = Kernel(
        row.domain,
        row.op,
        from_json(row.attributes, dict[str, str]),
        from_json(row.inputs, tuple[TensorSpec | None, ...]),
        from_json(row.outputs, tuple[TensorSpec | None, ...]),
    )
    check_kernel(kernel)
    return kernel


def _pack_occurrence(
    measurement_id: str, position: int, occurrence: KernelOccurrence, kernel_id: str
) -> rows.OccurrenceRow:
    kernel = occurrence.kernel
    return rows.OccurrenceRow(
        measurement_id=measurement_id,
        position=position,
        name=occurrence.name,
        kernel_id=kernel_id,
        provider=occurrence.provider,
        input_names=canonical_json([None if t is None else t.name for t in kernel.inputs]),
        output_names=canonical_json([None if t is None else t.name for t in kernel.outputs]),
        source_nodes=canonical_json(occurrence.source_nodes),
        calls=occurrence.calls,
        durations=rows.pack_floats(occurrence.durations_s),
        passes=occurrence.passes,
    )


def _unpack_occurrence(
    row: rows.OccurrenceRow, nameless: Mapping[str, Kernel], runs: int
) -> KernelOccurrence:
    if row.kernel_id not in nameless:
        raise CodecError(f"kernel {row.kernel_id} is missing")
    kernel = nameless[row.kernel_id]
    return KernelOccurrence(
        row.name,
        replace(
            kernel,
            inputs=_named(kernel.inputs, row.input_names),
            outputs=_named(kernel.outputs, row.output_names),
        ),
        row.provider,
        rows.unpack_floats(row.durations, runs),
        from_json(row.source_nodes, tuple[str, ...]),
        row.calls,
        row.passes,
    )


def _named(tensors: tuple[TensorSpec | None, ...], names: str) -> tuple[TensorSpec | None, ...]:
    given = from_json(names, list[str | None])
    return tuple(
        None if tensor is None or name is None else replace(tensor, name=name)
        for tensor, name in zip(tensors, given, strict=True)
    )
