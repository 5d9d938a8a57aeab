"""`hwprof devices` and `hwprof doctor`."""

from __future__ import annotations

import click

from hwprof.cli.options import json_option


@click.command()
@click.option("--quick", is_flag=True, help="Do not start the runtimes to see whether they work.")
@json_option
def devices(quick: bool, as_json: bool) -> None:
    """List the devices that can be measured on, and why others cannot.

    Each runtime that is installed is started once in a process of its own.
    """
    from hwprof.targets.worker import list_devices, look_at_devices

    listed = list_devices()
    if not quick:
        listed = look_at_devices(listed)
    if as_json:
        from hwprof.report.document import print_json

        print_json(listed)
        return
    for device in listed:
        state = "available" if device.available else f"unavailable, because {device.reason}"
        if device.spec is not None:
            spec = device.spec
            options = ",".join(f"{k}={v}" for k, v in sorted(spec.options.items()))
            state += f": {spec.runtime} {spec.runtime_version}, {spec.precision}"
            state += f" (defaults: threads={spec.threads}{',' if options else ''}{options})"
        click.echo(f"{device.name:24s} {state}")


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Say what on this machine will hurt a measurement, and how to mend it.

    Exits with 1 when something makes measuring impossible.
    """
    from hwprof.machine.doctor import Status, diagnose

    findings = diagnose()
    if as_json:
        from hwprof.report.document import print_json

        print_json(findings)
    else:
        colours = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}
        for finding in findings:
            mark = click.style(f"{finding.status.value:7s}", fg=colours.get(finding.status))
            click.echo(f"{mark} {finding.check:20s} {finding.message}")
            if finding.fix:
                click.echo(f"{'':28s} mend: {finding.fix}")
    return int(any(finding.status is Status.FAIL for finding in findings))
