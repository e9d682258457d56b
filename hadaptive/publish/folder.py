"""The folder of a published model, made from a Run's record and its checkpoint `last.pt`; neither changes."""

from __future__ import annotations

from pathlib import Path

from hadaptive.data.settings import DataSettings
from hadaptive.errors import UserError
from hadaptive.publish.card import card
from hadaptive.publish.kind import Kind, Trained
from hadaptive.publish.kinds import KINDS
from hadaptive.record import TrainingRecord, read
from hadaptive.records import PUBLISHED, PUBLISHED_FILES, RECORD, sha256, write_text


def publish(folder: Path, data: Path, out: Path | None = None, settings: DataSettings | None = None) -> list[Path]:
    """Write model.safetensors, config.json and README.md of the Run with its results in `folder`; returns their paths.

    A text classifier's folder has its tokenizer, too. `data` is the prepared data that it was trained on, for the names
    of the classes; `out` is `folder`/hub by default; `settings` say where BERT's vocabulary is. UserError for a Run
    that is no finished training of one model, and for a checkpoint or data that are not those of its record.
    """
    from hadaptive.data.prepared import read_manifest

    record, kind = _finished(folder)
    manifest = read_manifest(data)
    checkpoint = folder / "last.pt"
    _same(checkpoint, record.checkpoints["last"].sha256 if "last" in record.checkpoints else None)
    _same(data / "manifest.json", record.data.sha256)
    out = out or folder / PUBLISHED
    out.mkdir(parents=True, exist_ok=True)
    kind.save(Trained(record, checkpoint, manifest, settings or DataSettings()), out)
    write_text(out / "README.md", card(record, kind))
    return [out / name for name in PUBLISHED_FILES]


def _finished(folder: Path) -> tuple[TrainingRecord, Kind]:
    record = read(folder / RECORD)
    kind = KINDS.get(record.run.task) if isinstance(record, TrainingRecord) else None
    if not isinstance(record, TrainingRecord) or kind is None:
        raise UserError(
            f"{record.id} is no training of one model, so there are no weights to publish; "
            "publish a Run of an image classifier, a text classifier or a detector (see `hadaptive runs`)"
        )
    if record.status != "done":
        raise UserError(f"{record.id} has no finished model: {record.status}")
    return record, kind


def _same(path: Path, checksum: str | None) -> None:
    if not path.is_file():
        raise UserError(f"{path} is missing; run the same Run here, as a reference record has no weights")
    if sha256(path) != checksum:
        raise UserError(f"{path} is not the file that the record names (its SHA-256 differs); run the Run again")
