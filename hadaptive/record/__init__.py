"""The record of a Run or a measure: results/<scale>/<id>/record.json. One type per kind, one reader, one writer.

`kinds` has the types, `files` reads and writes. Imports no torch and no pandas.
"""

from hadaptive.record.files import Damaged, Missing, RecordDamaged, envelope, find, read, write
from hadaptive.record.kinds import EDITED, SEALED, UNSEALED, Record, TrainingRecord

__all__ = [
    "EDITED",
    "SEALED",
    "UNSEALED",
    "Damaged",
    "Missing",
    "Record",
    "RecordDamaged",
    "TrainingRecord",
    "envelope",
    "find",
    "read",
    "write",
]
