"""Keeping what hwprof starts from phoning home.

ONNX Runtime from 1.31 on looks up a host of its vendor's when it is imported, and keeps a device
id and a queue of events in the home. It reads the variable that turns this off once, so the
variable must be there before the import. OpenVINO has no variable (hwprof.devices.openvino.runtime
leaves its reporting out). docs/privacy.md says what was found in each runtime.

Importing this module, or hwprof, sets nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

ONNX_RUNTIME = "ORT_DISABLE_TELEMETRY"

OPT_OUTS: Mapping[str, str] = {
    ONNX_RUNTIME: "1",
    # Of huggingface_hub, and what many programs agree on (consoledonottrack.com): what plugins use.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
"""What every process of hwprof's own runs with, by variable."""


def opted_out(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with every opt-out that it lacks. What is set there already, stays."""
    return {**OPT_OUTS, **environment}


def opt_out(*names: str) -> None:
    """Set opt-outs in this very process, all of them or those of `names`, where they are not set.

    All of them only in a process of hwprof's own. In a user's, the one of a runtime that is about
    to be imported there; it stays set, since the runtime keeps asking.
    """
    for name in names or OPT_OUTS:
        os.environ.setdefault(name, OPT_OUTS[name])
