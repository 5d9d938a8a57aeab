"""`hwprof devices` and `hwprof doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from hwprof.cli.options import AsJson, examples
from hwprof.cli.printing import print_json, say, say_marked

DEVICES_EXAMPLES = examples("hwprof devices", "hwprof devices --quick --json")
DOCTOR_EXAMPLES = examples("hwprof doctor", "hwprof doctor --json")


def devices(
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not start the runtimes to see whether they work.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the devices that can be measured on, and why others cannot.

    Each runtime that is installed is started once in a process of its own. Under each device
    stand its options, defaults first.
    """
    from hwprof.targets.worker import list_devices, look_at_devices

    listed = list_devices()
    if not quick:
        listed = look_at_devices(listed)
    if as_json:
        print_json(listed)
        return
    for device in listed:
        say("\n".join(device.lines()))


def doctor(as_json: AsJson = False) -> int:
    """Say what on this machine will hurt a measurement, and how to mend it.

    Exits with 1 when something makes measuring impossible.
    """
    from hwprof.machine.doctor import Status, diagnose

    findings = diagnose()
    if as_json:
        print_json(findings)
    else:
        colours = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}
        for finding in findings:
            colour = colours.get(finding.status)
            text = f"{finding.check:20s} {finding.message}"
            say_marked(f"{finding.status.value:7s}", colour, text)
            if finding.fix:
                say(f"{'':28s} mend: {finding.fix}")
    return int(any(finding.status is Status.FAIL for finding in findings))
