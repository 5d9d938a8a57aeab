"""Importing and lowering without the chatter of torch, torchao and executorch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings and log lines of what is imported and lowered inside.

    The binding calls itself experimental, torch and its add-ons deprecate each other, and torchao
    logs every optional library that it lacks: dozens of lines that a user can do nothing about.
    """
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
