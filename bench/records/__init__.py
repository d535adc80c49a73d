"""What runs leave on disk: one folder per run, written atomically, self-describing, readable without torch."""

from bench.records.contents import Evaluated, Record, method_options, predicted
from bench.records.fields import Corrupt
from bench.records.record import (
    STATUSES,
    checked_path,
    counted,
    read,
    read_all,
    read_evaluation,
    read_info,
    read_info_if_any,
    write_evaluation,
)

__all__ = [
    "STATUSES",
    "Corrupt",
    "Evaluated",
    "Record",
    "checked_path",
    "counted",
    "method_options",
    "predicted",
    "read",
    "read_all",
    "read_evaluation",
    "read_info",
    "read_info_if_any",
    "write_evaluation",
]
