"""The warning that made-up values decide how much work a model does."""

from __future__ import annotations

from hwprof.measurement import Measurement, MeasurementWarning, WarningCode

NAMED = 3


def input_warnings(measurement: Measurement) -> list[MeasurementWarning]:
    """At most one: for given values nobody needs to be told."""
    deciding = [v for v in measurement.subject.values if v.decides and v.origin == "made up"]
    if not deciding:
        return []
    parts = [f"'{v.name}' (made up: {v.text}) decides {v.decides}" for v in deciding[:NAMED]]
    more = f" and {len(deciding) - NAMED} more inputs" if len(deciding) > NAMED else ""
    return [
        MeasurementWarning(
            WarningCode.VALUES_DECIDE,
            f"input {'; input '.join(parts)}{more}; give real values with --input "
            f"{deciding[0].name}=FILE.npy",
        )
    ]
