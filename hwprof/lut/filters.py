"""Which measurements, failures and devices a caller means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import TypedDict

from hwprof.errors import OptionError
from hwprof.lut.pack import SOURCES

# Shorter prefixes of a hash would catch models and devices whose name merely looks like one.
_HASH_PREFIX = re.compile(r"[0-9a-f]{6,64}")
_GLOB = re.compile(r"[*?\[]")
# What ends the name of a model file.
_SUFFIXES = (".onnx", ".pt2", ".tflite")
# CASE, for SQL may look at the right side of AND first: a damaged document has no tags.
_TAGGED = (
    "CASE WHEN json_valid(document) THEN EXISTS (SELECT 1 FROM json_each(document, '$.tags') "
    "WHERE value = ? OR value GLOB ?) ELSE 0 END"
)


class Filters(TypedDict, total=False):
    """Everything a selection can be narrowed by; an absent or None entry does not narrow it.

    model: subject name, glob over subject names, at least 6 digits of the model's SHA-256, or both
    as NAME@DIGITS.
    device: part of a device's name or slug, glob over either, or 6 digits of its fingerprint.
    run_id, source: exact. tag: one of a measurement's tags, or a glob over them.
    since: earliest `created_at`, ISO 8601 (UTC unless it says otherwise). before: older than this.
    limit: at most so many, the newest ones.
    """

    model: str | None
    device: str | None
    run_id: str | None
    source: str | None
    tag: str | None
    since: str | datetime | None
    before: str | datetime | None
    limit: int | None


class Where:
    """A WHERE clause under construction, with its parameters."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.parameters: list[str | int] = []

    def add(self, condition: str, *parameters: str | int) -> None:
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    def add_any(self, column: str, allowed: Sequence[str]) -> None:
        """`column` is one of `allowed`."""
        self.add(f"{column} IN ({', '.join('?' for _ in allowed)})", *allowed)

    def __str__(self) -> str:
        return "WHERE " + " AND ".join(f"({c})" for c in self.conditions) if self.conditions else ""


def measurements_where(filters: Filters, fingerprints: Sequence[str] | None) -> Where:
    """Conditions on the measurement table; `fingerprints` are the devices that match, if asked."""
    where = _common(filters)
    model, source, tag = filters.get("model"), filters.get("source"), filters.get("tag")
    if model is not None:
        # 0 characters where it cannot be a hash: then only names count.
        digits = len(model) if _HASH_PREFIX.fullmatch(model) else 0
        name, at, start = model.rpartition("@")
        both = len(start) if at and _HASH_PREFIX.fullmatch(start) else 0
        where.add(
            "subject_name = ? OR subject_name GLOB ? OR (? > 0 AND substr(sha256, 1, ?) = ?) "
            "OR (? > 0 AND subject_name = ? AND substr(sha256, 1, ?) = ?)",
            *(model, model, digits, digits, model, both, name, both, start),
        )
    if tag is not None:
        where.add(_TAGGED, tag, tag)
    if fingerprints is not None:
        where.add_any("device_fingerprint", fingerprints)
    if source is not None:
        if source not in SOURCES:
            raise OptionError(f"'{source}' is not a source: choose one of {', '.join(SOURCES)}")
        where.add("source = ?", source)
    return where


def failures_where(filters: Filters) -> Where:
    """Conditions on the failure table, where model and device are as the caller wrote them.

    A file is found by what its measurement would be called as well. A failure belongs to what was
    measured, and has the tags of its run.
    """
    where = _common(filters)
    model, device, tag = filters.get("model"), filters.get("device"), filters.get("tag")
    if model is not None:
        where.add(
            "subject = ? OR subject GLOB ? OR file_stem(subject) = ? OR file_stem(subject) GLOB ?",
            *(model, model, model, model),
        )
    if tag is not None:
        where.add(
            f"run_id IN (SELECT run_id FROM measurement WHERE {_TAGGED})",  # noqa: S608 - constant
            *(tag, tag),
        )
    if filters.get("source") not in (None, "measured"):
        where.add("0")
    if device is not None:
        pattern = device.lower()
        if _GLOB.search(pattern):
            where.add("lower(device) GLOB ?", pattern)
        else:
            where.add("instr(lower(device), ?) > 0", pattern)
    return where


def limit_of(filters: Filters) -> int:
    """The limit as SQLite wants it: -1 for none. Raises OptionError for a negative one."""
    limit = filters.get("limit")
    if limit is None:
        return -1
    if limit < 0:
        raise OptionError(f"the limit must be 0 or more, got {limit}: give a count")
    return limit


def device_matches(pattern: str, fingerprint: str, slug: str, name: str) -> bool:
    """See `Filters.device`; letter case does not matter."""
    pattern = pattern.lower()
    if _GLOB.search(pattern):
        return fnmatchcase(slug, pattern) or fnmatchcase(name.lower(), pattern)
    if _HASH_PREFIX.fullmatch(pattern) and fingerprint.startswith(pattern):
        return True
    return pattern in slug or pattern in name.lower()


def file_stem(subject: object) -> str | None:
    """What the measurement of a failure's subject would be called, for use in SQL."""
    if not isinstance(subject, str):
        return None
    path = PurePath(subject)
    return path.stem if path.suffix.lower() in _SUFFIXES else subject


def _common(filters: Filters) -> Where:
    where = Where()
    run_id, since, before = filters.get("run_id"), filters.get("since"), filters.get("before")
    if run_id is not None:
        where.add("run_id = ?", run_id)
    if since is not None:
        where.add("created_at >= ?", _time_text(since))
    if before is not None:
        where.add("created_at < ?", _time_text(before))
    return where


def _time_text(since: str | datetime) -> str:
    """Start of every `created_at` text from that moment on; earlier ones sort before it."""
    try:
        moment = datetime.fromisoformat(since) if isinstance(since, str) else since
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise OptionError(
            f"'{since}' is not a time: write it like 2025-01-31 or 2025-01-31T09:30:00Z"
        ) from error
    text = moment.isoformat()
    # A whole second must come before its fractions, and .5 before .500001.
    return text.rstrip("0") if "." in text else text
