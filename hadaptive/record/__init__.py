"""The record of a Run or a measure: results/<scale>/<id>/record.json. One type per kind, one reader, one writer.

`parts` has what all share, `trainings` and `measures` the types, `kinds` says which one; `files` reads and writes.
Imports no torch and no pandas.
"""

from hadaptive.record.files import Damaged, Missing, RecordDamaged, envelope, find, read, write
from hadaptive.record.parts import EDITED, SEALED, UNSEALED, Record
from hadaptive.record.trainings import TrainingRecord

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
