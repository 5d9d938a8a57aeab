"""Whether something can be used here. On its own so that asking stays cheap."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a device or meter works here; if not, why in one sentence, and how to mend it."""

    ok: bool
    reason: str = ""
    fix: str = ""
    present: bool = True
    """False when the hardware or software is simply not there, rather than there and unusable."""
