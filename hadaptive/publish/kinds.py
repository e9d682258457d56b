"""Which kind of model each task of params.yaml trains; one that is not here trains none to publish."""

from __future__ import annotations

from hadaptive.publish import detectors, images, texts
from hadaptive.publish.kind import Kind
from hadaptive.tasks import CLASSIFICATION, DETECTION, TASKS, TEXT

_KINDS = {CLASSIFICATION: images.KIND, TEXT: texts.KIND, DETECTION: detectors.KIND}
KINDS: dict[str, Kind] = {name: _KINDS[task] for name, task in TASKS.items() if task in _KINDS}
