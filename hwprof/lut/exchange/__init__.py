"""Tables as files to send, compare and open elsewhere: one module per format."""

from hwprof.lut.exchange.transfer import ImportReport, export, import_file

__all__ = ["ImportReport", "export", "import_file"]
