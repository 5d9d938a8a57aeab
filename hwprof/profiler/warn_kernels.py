"""The warnings that a measurement's kernels earn."""

from __future__ import annotations

from hwprof.measurement import Measurement, MeasurementWarning, WarningCode
from hwprof.opcosts.known import flops_or_none
from hwprof.opcosts.peak import peak_flops_per_s
from hwprof.profile import Profile

# More of the profile's time than this being the profiler's own: what is left of it is a difference
# of two figures of one size.
PROFILER_SHARE = 1 / 3
# Kernels that come out negative are kernels below the clock. A few in a model are usual (one that
# only renames a tensor); they matter where they are many, or their sum is.
NEGATIVE_SHARE = 0.1
NEGATIVE_TIME = 0.01
# Kernels named in a warning.
_NAMED = 3


def kernel_warnings(measurement: Measurement) -> list[MeasurementWarning]:
    """Every warning about kernels that applies, in the order of `WarningCode`."""
    profile = measurement.profile
    if profile is None:
        return []
    found = [
        (WarningCode.BRANCH_NEVER_RAN, _never_ran(profile)),
        (WarningCode.KERNELS_DO_NOT_ADD_UP, _gap(measurement, profile)),
        (WarningCode.KERNELS_BELOW_CLOCK, _below_clock(measurement, profile)),
        (WarningCode.IMPOSSIBLE_RATE, _impossible(measurement, profile)),
    ]
    return [MeasurementWarning(code, message) for code, message in found if message]


def _never_ran(profile: Profile) -> str:
    if not profile.never_ran:
        return ""
    return (
        f"no run entered {_some(profile.never_ran)}, so that the latency is without them; "
        "give inputs that lead there with --input"
    )


def _gap(measurement: Measurement, profile: Profile) -> str:
    if not measurement.kernels_do_not_add_up:
        return ""
    total_s, headline_s = profile.total_s() or 0.0, measurement.latency.headline_s
    unclean = ""
    if profile.clean_suffice is False:
        unclean = ", and too few profiled runs were uninterrupted"
    return (
        f"the kernels add up to {total_s * 1e3:.4g} ms where the model takes "
        f"{headline_s * 1e3:.4g} ms{unclean}; take their figures for shares at best"
    )


def _below_clock(measurement: Measurement, profile: Profile) -> str:
    kernels = [o for o in profile.occurrences if profile.latency_s(o) is not None]
    if not kernels:
        return ""
    raw_s = sum(profile.raw_latency_s(o) for o in kernels)
    cost_s = sum(profile.profiler_cost_s(o) or 0.0 for o in kernels)
    negative = [s for o in kernels if (s := profile.latency_s(o) or 0.0) < 0]
    many = len(negative) > NEGATIVE_SHARE * len(kernels)
    long = -sum(negative) > NEGATIVE_TIME * abs(raw_s - cost_s)
    if cost_s <= PROFILER_SHARE * raw_s and not (negative and (many or long)):
        return ""
    below = sum(profile.below_clock(o) for o in kernels)
    share = f"{cost_s / raw_s:.0%}" if raw_s > 0 else "all"
    return (
        f"{share} of the profiled time is the profiler's own, and {below} of {len(kernels)} "
        "kernels take too little for its clock; a larger batch makes kernels longer"
    )


def _impossible(measurement: Measurement, profile: Profile) -> str:
    found: list[tuple[float, str]] = []
    for occurrence in profile.occurrences:
        latency_s = profile.call_latency_s(occurrence)
        work = flops_or_none(occurrence.kernel)
        peak = peak_flops_per_s(measurement.device, occurrence.kernel)
        if not work or not latency_s or latency_s <= 0 or peak is None:
            continue
        if not profile.below_clock(occurrence) and work / latency_s > peak:
            found.append((work / latency_s, occurrence.name))
    if not found:
        return ""
    rate, _ = max(found)
    names = _some([name for _, name in sorted(found, reverse=True)])
    return (
        f"{names} would do up to {rate / 1e9:.4g} GFLOP/s, more than the processor can; the "
        "runtime left work out, or its profiler is wrong"
    )


def _some(names: list[str] | tuple[str, ...]) -> str:
    left = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {left} more" if left > 0 else "")
