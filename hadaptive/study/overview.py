"""What is counted rather than run, and the figures and the table made of it (Figures 1, 2, 4, 5, 6, Table 9).

Imports no torch.
"""

from __future__ import annotations

from hadaptive.config import Params
from hadaptive.paper.spec import FigureSpec, Row, Source, TableSpec
from hadaptive.run import ExpansionMeasure, Measure
from hadaptive.study.measures import LATENCY_INPUT
from hadaptive.study.selection import options

TABLE9_NET = "hadaptive_net_s"
FIGURE5 = {"channels": [16, 32, 64, 96, 128, 192, 256, 384, 512], "ratio": 4}  # the paper gives the ends
FIGURE6 = {"fixed_channels": 64, "ratios": [4, 8, 12, 16, 20, 24]}


def structure_measure(params: Params) -> Measure:
    """The layers of Table 9's net, in the variant that Table 7 shows."""
    variant = params.zoo[TABLE9_NET].variant if TABLE9_NET in params.zoo else "base"
    return Measure(
        scale=params.scale, kind="structure", model=TABLE9_NET, variant=variant, options=options(params, variant),
        settings=LATENCY_INPUT,
    )  # fmt: skip


def expansion_measure(params: Params) -> ExpansionMeasure:
    """What ways of expanding channels cost, for Figures 5 and 6."""
    size = {"image_size": LATENCY_INPUT["image_size"]}
    return ExpansionMeasure(scale=params.scale, settings={**FIGURE5, **FIGURE6, **size})


def table9(params: Params) -> TableSpec:
    """Table 9. How many layers there are its record says; no data stand behind it, so no scale makes it another."""
    measure = structure_measure(params)
    row = Row(model=measure.model, variant=measure.variant, label="Hadaptive-Net-S", cite="ours", ours=True)
    return TableSpec(
        table="table9",
        scale=params.scale,
        about=_net(measure),
        rows=(row,),
        sources={"structure": Source(record=measure.id)},
    )


def overview_figures(params: Params, table7: TableSpec) -> list[FigureSpec]:
    """Figure 1 from the records of Table 7, the others from what is counted."""
    structure, expansions = structure_measure(params), expansion_measure(params)
    size = expansions.settings["image_size"]
    counted = f"one image of {size} px, counted on PyTorch modules"

    def figure(name: str, about: str, record: str) -> FigureSpec:
        return FigureSpec(figure=name, scale=params.scale, about=about, records=(record,))

    return [
        FigureSpec(
            figure="figure1",
            scale=params.scale,
            demonstration=table7.demonstration,
            about=table7.about,
            table=table7,
        ),
        figure("figure2", _net(structure), structure.id),
        figure("figure4", _net(structure), structure.id),
        figure("figure5", counted, expansions.id),
        figure("figure6", counted, expansions.id),
    ]


def _net(measure: Measure) -> str:
    said = measure.settings
    return f"as built, {said['num_classes']} classes, {said['image_size']} px"
