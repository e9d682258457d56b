"""A trained model as a folder that a known library and the Hugging Face Hub take: weights, configuration, model card.

Image classifiers load with timm, text classifiers with transformers, detectors with `hadaptive.nn.published_detector`:
each has a module with its `KIND`. `folder` makes the folder, `card` its README.md, `index` a study's `model-index`.
"""

from hadaptive.publish.folder import publish
from hadaptive.publish.index import write_index

__all__ = ["publish", "write_index"]
