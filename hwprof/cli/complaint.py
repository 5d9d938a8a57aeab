"""How a command says that something went wrong."""

from __future__ import annotations

import click


def complain(message: str) -> None:
    """One line on standard error."""
    click.echo(f"error: {' '.join(message.split())}", err=True)
