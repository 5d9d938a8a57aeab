"""What results have in common: a line, plain data, a data frame, and a form for notebooks.

The forms are made in the room `report`, above everything that has them. So they are data here, as
built-in plugins are, and imported when one is asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from hwprof.errors import visible
from hwprof.plugins import BuiltIn

if TYPE_CHECKING:
    import pandas

_DOCUMENT = BuiltIn("document", "hwprof.report.forms:document")
_JSON = BuiltIn("json", "hwprof.report.document:json_text")
_FRAME = BuiltIn("frame", "hwprof.report.forms:frame")
_HTML = BuiltIn("html", "hwprof.report.forms:html")


class Presented(ABC):
    """A result that says what it is. A dataclass of this kind leaves `__repr__` to it."""

    __slots__ = ()

    @property
    @abstractmethod
    def brief(self) -> str:
        """The result in one line, in milliseconds, as `--quiet` prints it."""

    def __repr__(self) -> str:
        # Names come from files, and may hold a terminal's commands.
        return f"<{type(self).__name__} {visible(self.brief)}>"

    def to_dict(self) -> dict[str, Any]:
        """The content as `--json` prints it, in plain dicts, lists, texts and numbers.

        Seconds, joules and bytes. A sweep is measured to its end first, here as below.
        """
        document: dict[str, Any] = _DOCUMENT.load()(self)
        return document

    def to_json(self) -> str:
        """`to_dict` as indented JSON."""
        text: str = _JSON.load()(self.to_dict())
        return text

    def to_pandas(self) -> pandas.DataFrame:
        """A row per measurement or failure: seconds, joules, bytes; NaN or None where unknown.

        Raises OptionError without pandas.
        """
        return _FRAME.load()(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the text of the terminal. Measures nothing."""
        text: str = _HTML.load()(self)
        return text
