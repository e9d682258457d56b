"""Search spaces: rows of a model, each with candidates to choose from (Tables 3, 10, 11, 12). Imports no torch.

A space names its candidates once; a layer says its width, its stride and which of them it may be. What a candidate
leaves open (kernel, expansion, k) is the layer's. A layer with one candidate is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from hadaptive.settings import Settings

Op = Literal["conv", "ghost", "ach", "blank"]
Norm = Literal["dysoft", "dysig", "dyalge"]
OPS, NORMS = get_args(Op), get_args(Norm)
OPEN: dict[Op, str | None] = {"conv": None, "ghost": "expansion", "ach": "k", "blank": None}  # besides the kernel
IMAGE_CHANNELS = 3
MOST_CHANNELS, MOST_KERNEL = 16_384, 127
At = tuple[str, ...]  # where in a space something stands: ("layers", "3", "choose")


class Candidate(Settings):
    """What a layer may be; null leaves a number to the layer."""

    op: Op = Field(description="conv, bottleneck with Ghost or ACH (appendix A.3), or blank: the layer is left out")
    title: str = Field("", description="head of its column in the table")
    kernel: int | None = Field(
        None, ge=1, le=MOST_KERNEL, description="of the depthwise convolution, or of conv; real at stride 2 too"
    )
    expansion: float | None = Field(None, gt=0, le=64, description="ghost: width over input channels")
    k: int | None = Field(None, ge=2, le=MOST_CHANNELS, description="ach: selected channels")
    norm: Norm = Field("dysoft", description="ach: its normalizer function")
    act: bool = Field(True, description="conv: hardswish after it")


class Layer(Settings):
    """A row: its width and stride, the numbers that its candidates leave open, and the candidates' names."""

    out: int = Field(ge=1, le=MOST_CHANNELS, description="output channels")
    stride: Literal[1, 2] = 1
    kernel: int | None = Field(None, ge=1, le=MOST_KERNEL)
    expansion: float | None = Field(None, gt=0, le=64)
    k: int | None = Field(None, ge=2, le=MOST_CHANNELS)
    choose: list[str] = Field(description="names of candidates; one alone is fixed")


class Space(Settings):
    """A search space: the candidates by name, and the layers from the image to the pooling.

    Candidates are kept in one order, that of the paper's columns, whatever order they come in: records and Runs are
    JSON with sorted keys, and the same space must be the same Run.
    """

    about: str = Field("", description="what is searched, for a caption")
    candidates: dict[str, Candidate] = Field(min_length=1)
    layers: list[Layer] = Field(min_length=1)

    @field_validator("candidates")
    @classmethod
    def _in_order(cls, value: dict[str, Candidate]) -> dict[str, Candidate]:
        def place(item: tuple[str, Candidate]) -> tuple[int, int, int, int, str]:
            name, one = item
            return OPS.index(one.op), one.k or 0, one.kernel or 0, NORMS.index(one.norm), name

        return dict(sorted(value.items(), key=place))

    def searched(self) -> list[int]:
        """Numbers of the layers with something to choose."""
        return [number for number, layer in enumerate(self.layers) if len(layer.choose) > 1]

    def in_search(self) -> list[str]:
        """Return the names of the candidates that some searched layer may be, in their order."""
        names = {name for number in self.searched() for name in self.layers[number].choose}
        return [name for name in self.candidates if name in names]

    def row(self, number: int, name: str) -> dict[str, Any]:
        """Return a layer as one of its candidates, every number settled: `hadaptive.nn.found` builds a module of it."""
        layer, candidate = self.layers[number], self.candidates[name]
        if candidate.op == "blank":
            return {"op": "blank"}
        settled: dict[str, Any] = {"op": candidate.op, "out": layer.out, "stride": layer.stride}
        open_here = OPEN[candidate.op]
        for key in ("kernel", *([open_here] if open_here else [])):
            own = getattr(candidate, key)
            settled[key] = getattr(layer, key) if own is None else own
        own_words: dict[str, dict[str, Any]] = {"conv": {"act": candidate.act}, "ach": {"norm": candidate.norm}}
        return settled | own_words.get(candidate.op, {})

    def widths(self) -> list[int]:
        """Input channels of every layer."""
        return [IMAGE_CHANNELS, *(layer.out for layer in self.layers)][: len(self.layers)]

    def problems(self) -> Iterator[tuple[At, str]]:
        """Yield what makes the space impossible to build, and where it stands; names layer and candidate."""
        for number, (layer, width) in enumerate(zip(self.layers, self.widths(), strict=True)):
            at, here = ("layers", str(number)), f"layer {number} ({width} to {layer.out} channels)"
            if not layer.choose:
                yield (*at, "choose"), f"{here} has no candidate; name one, or several to search among"
            if len(set(layer.choose)) < len(layer.choose):
                yield (*at, "choose"), f"{here} names a candidate twice: {', '.join(layer.choose)}"
            if layer.choose and all(self._is_blank(name) for name in layer.choose):
                yield (*at, "choose"), f"{here} can be nothing but blank; leave the layer out"
            for name in layer.choose:
                if name not in self.candidates:
                    known = ", ".join(self.candidates)
                    yield (*at, "choose"), f"{here}: unknown candidate {name!r}; the space has {known}"
                elif problem := self._impossible(number, name, width):
                    yield at, f"{here}, candidate {name!r}: {problem}"

    def _is_blank(self, name: str) -> bool:
        return name in self.candidates and self.candidates[name].op == "blank"

    def _impossible(self, number: int, name: str, width: int) -> str | None:
        layer, row = self.layers[number], self.row(number, name)
        if row["op"] == "blank":
            if layer.stride != 1 or width != layer.out:
                return "blank passes its input on, so it cannot stand where channels or size change; take it away"
            return None
        missing = [key for key, value in row.items() if value is None]
        if missing:
            return f"no {' and no '.join(missing)}; give it to the candidate or to the layer"
        if row["op"] == "ach" and row["k"] > width:
            return f"k = {row['k']} of {width} input channels; choose k from 2 to {width}"
        return None

    def shapes(self, image_size: int) -> Iterator[tuple[At, str]]:
        """Yield where candidates of one layer give maps of different sizes at that image size, or nothing is left."""
        size = image_size
        for number, layer in enumerate(self.layers):
            sizes = {name: _size_after(self.row(number, name), size) for name in layer.choose}
            if len(set(sizes.values())) > 1:
                maps = ", ".join(f"{name!r} {after} px" for name, after in sizes.items())
                yield (
                    ("layers", str(number)),
                    f"layer {number}: candidates give maps of different sizes from {size} px ({maps}; images of "
                    f"{image_size} px); change image_size or the kernels",
                )
                return
            size = next(iter(sizes.values()))
            if size < 1:
                yield (
                    ("layers", str(number)),
                    f"layer {number}, candidate {layer.choose[0]!r}: nothing is left of images of {image_size} px; "
                    "enlarge image_size",
                )
                return


def _size_after(row: dict[str, Any], size: int) -> int:
    """Return the side of the map after a row, as `hadaptive.nn.blocks.ConvNormAct` makes it."""
    if row["op"] == "blank" or row["stride"] == 1:
        return size
    return int((size + 2 * ((row["kernel"] - 1) // 2) - row["kernel"]) // 2 + 1)
