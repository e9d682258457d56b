"""Embedded stand-ins for text at scale `demo`: sentences from two small grammars, seeded, with their own vocabulary.

`sentiment` (for SST-2): a thing, two judgements that agree, now and then a negation that turns them. `entailment` (for
MNLI): a premise that somebody did something somewhere, and a hypothesis that says less of it (entailment), more
(neutral), or the contrary (contradiction). No sentence of the test set is in the training set. Imports no torch.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hadaptive.data.settings import DataSettings
from hadaptive.data.text import Texts, write_texts
from hadaptive.data.vocabulary import SPECIAL, Vocabulary, of_pieces

SEED, TRAIN, TEST = 0, 1200, 300

THINGS = ["film", "story", "plot", "cast", "script", "music", "ending", "dialogue", "camera", "humour", "acting"]
GOOD = ["brilliant", "moving", "funny", "fresh", "warm", "clever", "gripping", "charming"]
BAD = ["dull", "clumsy", "empty", "stale", "tedious", "shallow", "noisy", "bleak"]
DEGREES = ["", "very", "quite", "rather", "truly"]
OPENINGS = ["", "in the end", "for once", "as expected", "to my surprise"]

KINDS = {"animal": ("dog", "cat", "horse", "bird"), "person": ("girl", "boy", "doctor", "farmer")}
DEEDS = {"chased": "chase", "followed": "follow", "watched": "watch", "carried": "carry"}
PLACES = ["garden", "street", "kitchen", "park", "field"]
QUALITIES = ["old", "young", "tired", "happy"]

Example = tuple[tuple[str, ...], int]


def sentiment(draw: random.Random) -> Example:
    """Return one sentence, and 1 where it praises."""
    good, negated = draw.random() < 0.5, draw.random() < 0.1
    one, other = (draw.choice(GOOD if good else BAD) for _ in range(2))
    words = [draw.choice(OPENINGS), "the", draw.choice(THINGS), "was"]
    words += ["never" if negated else draw.choice(DEGREES), one, "and", other]
    return (" ".join(word for word in words if word),), int(good != negated)


def entailment(draw: random.Random) -> Example:
    """Return a premise and a hypothesis, and 0, 1 or 2: entailment, neutral, contradiction."""
    kind = draw.choice(list(KINDS))
    who, whom = draw.choice(KINDS[kind]), draw.choice([noun for kinds in KINDS.values() for noun in kinds])
    deed, place, label = draw.choice(list(DEEDS)), draw.choice(PLACES), draw.randrange(3)
    premise = f"a {who} {deed} the {whom} in the {place}"
    hypotheses = {
        0: [f"a {kind} {deed} the {whom}", f"a {who} {deed} the {whom}", f"a {kind} was in the {place}"],
        1: [f"a {draw.choice(QUALITIES)} {who} {deed} the {whom}", f"the {whom} was {draw.choice(QUALITIES)}"],
        2: [f"no {kind} {deed} the {whom}", f"the {who} did not {DEEDS[deed]} the {whom}", f"no {kind} was there"],
    }[label]
    return (premise, draw.choice(hypotheses)), label


GRAMMARS: dict[str, tuple[Callable[[random.Random], Example], list[str]]] = {
    "sentiment": (sentiment, ["negative", "positive"]),
    "entailment": (entailment, ["entailment", "neutral", "contradiction"]),
}


def prepare(name: str, destination: Path, settings: DataSettings) -> dict[str, Any]:
    """Write the set of that name to `destination`; returns the manifest."""
    train, test = load(name)
    return write_texts(
        name,
        destination,
        train,
        test,
        classes=GRAMMARS[name][1],
        about={},
        source="a grammar in hadaptive.data",
        vocabulary=vocabulary(name),
    )


def vocabulary(name: str) -> Vocabulary:
    """Return the special pieces and every word of the set of that name."""
    train, test = load(name)
    words = {word for sentence in (*train.sentences, *test.sentences) for part in sentence for word in part.split()}
    return of_pieces([*SPECIAL, *sorted(words)], "the words of the grammar")


def load(name: str, train: int = TRAIN, test: int = TEST) -> tuple[Texts, Texts]:
    """Training and test examples, all different, the classes as often."""
    (make, classes), draw, drawn = GRAMMARS[name], random.Random(SEED), dict[tuple[str, ...], int]()
    wanted = [-(-(train + test) // len(classes))] * len(classes)
    while any(wanted):
        sentences, label = make(draw)
        if wanted[label] and sentences not in drawn:
            drawn[sentences], wanted[label] = label, wanted[label] - 1
    examples = list(drawn.items())
    draw.shuffle(examples)
    return _texts(name, examples[:train]), _texts(name, examples[train : train + test])


def _texts(name: str, examples: list[Example]) -> Texts:
    sentences, labels = zip(*examples, strict=True)
    return Texts(sentences, labels, [f"{name}:{number}" for number in range(1, len(examples) + 1)])
