"""What version 1 of tables and exchange files kept in words, as the fields of today.

A sentence that its field would not tell in just the same words stays among the legacy notes: what
an old file says is never dropped. Functions here take JSON as plain dicts and lists, and raise
ValueError for what version 1 did not write.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from hwprof.codec import from_builtins, from_json, to_builtins
from hwprof.conditions import GpuConditions, GpuMoment, OutputAgreement
from hwprof.lut.rows import canonical_json

Json = dict[str, Any]

PROFILE_FACTS = {"node_cost": "node_cost_reason", "mapping": "mapping"}
"""Details that are fields of the profile now, where there is one."""

_JUDGED = re.compile(
    r"within (?P<error>\S+) of (?P<reference>.+)'s"
    r"( \(allowed (?P<allowed>\S+) at (?P<judged>\S+)\)|, not judged at (?P<told>\S+))",
    re.DOTALL,
)
_NOT_COMPARED = "not compared, because "
_UNLIKE = "NaN or infinities stand at different places in the two"
_SILENT = GpuMoment().text
_POWER = re.compile(r"(\S+) W(?: of (\S+) W)?")
_SLOWED = re.compile(r"(.+) (\S+) s")
# NVML's names of a board and of a slice of one.
_UUID = re.compile(r"(?:(.+) )?((?:GPU|MIG)-\S+)", re.DOTALL)


def lift_measurement(content: Json) -> Json:
    """A measurement as version 1 exchanged it, in today's form."""
    restarts = [dict(restart) for restart in from_builtins(content.get("restarts"), list[Json])]
    for restart in restarts:
        # Follows from the samples.
        restart.pop("basis", None)
    profile = content.get("profile")
    if profile is not None:
        facts = {field: _details(content).get(key, "") for key, field in PROFILE_FACTS.items()}
        profile = from_builtins(profile, Json) | facts
    found = content | {"restarts": restarts, "profile": profile}
    return _lift(found, profile is not None)


def lift_calibration(content: Json) -> Json:
    """A calibration as version 1 exchanged it, in today's form."""
    found = dict(content)
    notes = dict(from_builtins(found.pop("details", {}), dict[str, str]))
    return found | {"source": notes.pop("source", ""), "legacy_notes": notes}


def lift_document(document: object, profiled: int) -> str | None:
    """The column `document` of a measurement, `profiled` if it has a profile, for use in SQL.

    None for what cannot be read: it is for the reader of that row to complain.
    """
    try:
        return canonical_json(_lift(_parsed(document), bool(profiled)))
    except ValueError:
        return None


def detail(document: object, name: str) -> str | None:
    """One of the details in the column `document`, for use in SQL."""
    try:
        return _details(_parsed(document)).get(name)
    except ValueError:
        return None


def calibration_source(details: object) -> str | None:
    """How a calibration was made, from its column `details`, for use in SQL."""
    try:
        return str(lift_calibration({"details": _parsed(details)})["source"])
    except ValueError:
        return None


def calibration_notes(details: object) -> str | None:
    """The rest of a calibration's column `details`, for use in SQL."""
    try:
        return canonical_json(lift_calibration({"details": _parsed(details)})["legacy_notes"])
    except ValueError:
        return None


def _parsed(text: object) -> Json:
    if not isinstance(text, bytes | str):
        raise ValueError("it is not text")
    return from_json(text, Json)


def _details(content: Json) -> Mapping[str, str]:
    provenance = from_builtins(content.get("provenance"), Json)
    return from_builtins(provenance.get("details", {}), dict[str, str])


def _lift(content: Json, profiled: bool) -> Json:
    """The provenance in fields, and why there is no profile."""
    notes = dict(_details(content))
    provenance = dict(content["provenance"])
    provenance.pop("details", None)
    if profiled:
        for key in PROFILE_FACTS:
            notes.pop(key, None)
    fields = {
        "timing_overhead_s": _overhead(notes),
        "outputs": _outputs(notes),
        "gpu": _gpu(notes),
    }
    provenance |= {name: to_builtins(value) for name, value in fields.items()}
    reason = notes.pop("per_op", "")
    provenance["legacy_notes"] = notes
    return content | {"provenance": provenance, "profile_reason": reason}


def _overhead(notes: dict[str, str]) -> float | None:
    text = notes.get("timing_overhead_s", "")
    value = _number(text)
    if value is None or f"{value:.3g}" != text:
        return None
    del notes["timing_overhead_s"]
    return value


def _outputs(notes: dict[str, str]) -> OutputAgreement | None:
    text = notes.get("outputs", "")
    found = _agreement(text)
    if found is None:
        return None
    del notes["outputs"]
    return found


def _agreement(text: str) -> OutputAgreement | None:
    if text.startswith(_NOT_COMPARED) and len(text) > len(_NOT_COMPARED):
        return OutputAgreement(reason=text.removeprefix(_NOT_COMPARED))
    match = _JUDGED.fullmatch(text)
    if match is None:
        return None
    reference, told = match["reference"], match["told"]
    if match["error"] == "inf" and told:
        return OutputAgreement(reference, told, reason=_UNLIKE)
    error, allowed = _number(match["error"]), _number(match["allowed"] or "")
    if error is None:
        return None
    found = OutputAgreement(reference, told or match["judged"], error, allowed)
    return found if found.text == text else None


def _gpu(notes: dict[str, str]) -> GpuConditions | None:
    if not notes.get("gpu"):
        return None
    text = notes.pop("gpu")
    match = _UUID.fullmatch(text)
    name, uuid = (match[1] or "", match[2]) if match else (text, "")
    before, after = _take_moment(notes, "gpu_before"), _take_moment(notes, "gpu_after")
    words = notes.get("gpu_slowed", "")
    slowed_s, slowing = _slowed(words)
    slowed = GpuConditions(name, uuid, before, after, slowed_s, slowing)
    if not words or sorted(slowed.slowed.split(", ")) != sorted(words.split(", ")):
        return GpuConditions(name, uuid, before, after)
    del notes["gpu_slowed"]
    return slowed


def _take_moment(notes: dict[str, str], key: str) -> GpuMoment:
    found = _moment(notes.get(key, ""))
    if found is None:
        return GpuMoment()
    del notes[key]
    return found


def _moment(text: str) -> GpuMoment | None:
    """The moment that would be told so, or None where there is none."""
    if text == _SILENT:
        return GpuMoment()
    clock = memory = temperature = power = limit = None
    words: list[str] = []
    for part in text.split(", "):
        watts = _POWER.fullmatch(part)
        if part.startswith("memory ") and part.endswith(" MHz"):
            memory = _number(part[len("memory ") : -len(" MHz")])
        elif part.endswith(" MHz"):
            clock = _number(part[: -len(" MHz")])
        elif part.endswith(" C"):
            temperature = _number(part[: -len(" C")])
        elif watts is not None:
            power, limit = _number(watts[1]), _number(watts[2] or "")
        else:
            words.append(part)
    hertz = [None if value is None else value * 1e6 for value in (clock, memory)]
    found = GpuMoment(hertz[0], hertz[1], temperature, power, limit, tuple(words))
    return found if found.text == text else None


def _slowed(text: str) -> tuple[dict[str, float], tuple[str, ...]]:
    counted: dict[str, float] = {}
    slowing: list[str] = []
    for part in text.split(", "):
        match = _SLOWED.fullmatch(part)
        seconds = None if match is None else _number(match[2])
        if match is None or seconds is None:
            slowing.append(part)
        else:
            counted[match[1]] = seconds
    return counted, tuple(slowing)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
