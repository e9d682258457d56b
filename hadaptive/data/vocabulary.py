"""BERT's uncased vocabulary of word pieces: found, checked, and used to split text. Imports no torch.

No package on PyPI was found to carry it, so it is a local copy or a verified download.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hadaptive.data import archive
from hadaptive.data.errors import DataError
from hadaptive.data.settings import ENVIRONMENT_VARIABLE, DataSettings

if TYPE_CHECKING:
    from tokenizers import BertWordPieceTokenizer

LOCAL = Path("bert-base-uncased", "vocab.txt")  # under the data root
URL = "https://huggingface.co/google-bert/bert-base-uncased/resolve/86b5e0934494bd15c9632b12f734a8a67f723594/vocab.txt"
SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
SIZE = 30_522
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Vocabulary:
    """Word pieces in the order of their numbers, and where they come from."""

    pieces: tuple[str, ...]
    sha256: str
    source: str

    def manifest(self) -> dict[str, Any]:
        """Return what a prepared data set records of it: size, checksum, the numbers of special pieces."""
        numbers = {name.strip("[]").lower(): self.pieces.index(name) for name in SPECIAL}
        return {"size": len(self.pieces), "sha256": self.sha256, "source": self.source, **numbers}

    def tokenizer(self) -> BertWordPieceTokenizer:
        """Return the tokenizer of `bert-base-uncased`: lower case, no accents, then word pieces."""
        from tokenizers import BertWordPieceTokenizer

        return BertWordPieceTokenizer({piece: number for number, piece in enumerate(self.pieces)}, lowercase=True)


def of_pieces(pieces: Sequence[str], source: str) -> Vocabulary:
    """Return a vocabulary of our own. Its checksum is that of the file it would be, a piece per line."""
    text = "".join(f"{piece}\n" for piece in pieces)
    return Vocabulary(tuple(pieces), hashlib.sha256(text.encode()).hexdigest(), source)


def uncased(settings: DataSettings, *, size: int = SIZE, sha256: str = SHA256, url: str = URL) -> Vocabulary:
    """Return the vocabulary of `bert-base-uncased`, every byte verified.

    Looked for, in this order: the file `settings.vocabulary` names, bert-base-uncased/vocab.txt in the data root,
    `settings.downloads`, the official address. Raises DataError for a file of another size or content.
    """
    root = settings.local_root()
    if settings.vocabulary is not None:
        path = settings.vocabulary.expanduser()
        if not path.is_file():
            raise DataError(f"the vocabulary {path} named by data.vocabulary is no file; correct or unset it")
        return read(path, size=size, sha256=sha256)
    if root is not None and (root / LOCAL).is_file():
        return read(root / LOCAL, size=size, sha256=sha256)
    path = settings.downloads / "bert-base-uncased-vocab.txt"
    otherwise = f"Set {ENVIRONMENT_VARIABLE} to a folder holding {LOCAL}, or name the file in data.vocabulary"
    archive.obtain("BERT's uncased vocabulary", [url], sha256, path, settings.timeout_s, otherwise)
    return read(path, size=size, sha256=sha256)


def read(path: Path, *, size: int = SIZE, sha256: str = SHA256) -> Vocabulary:
    """Read a vocabulary, a word piece a line. Raises DataError unless it is the one of that size and checksum."""
    raw = path.read_bytes()
    remedy = "put bert-base-uncased's vocab.txt in its place"
    try:
        pieces = tuple(raw.decode().splitlines())
    except UnicodeDecodeError:
        raise DataError(f"{path} is no vocabulary (not UTF-8); {remedy}") from None
    if len(pieces) != size:
        raise DataError(f"{path} has {len(pieces)} word pieces, BERT's uncased vocabulary has {size}; {remedy}")
    for piece in SPECIAL:
        if piece not in pieces:
            raise DataError(f"{path} lacks the word piece {piece}; {remedy}")
    if (actual := hashlib.sha256(raw).hexdigest()) != sha256:
        raise DataError(f"{path} is not BERT's uncased vocabulary: sha256 {actual}, expected {sha256}; {remedy}")
    return Vocabulary(pieces, actual, URL)  # whichever copy it was: the checksum says so
