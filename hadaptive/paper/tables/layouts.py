"""The tables that are rows of Runs by a few columns: what each shows, in the paper's order and words.

`LAYOUTS` is data alone; `grid` makes frames of it. Names of models and variants are those of params.yaml.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hadaptive.paper.cells import Cell, Remark
from hadaptive.paper.spec import Row
from hadaptive.paper.tables.frame import BLANK, Column, combined

Derived = Callable[[dict[str, list[Cell]]], list[Cell]]

S, V3, V4 = "hadaptive_net_s", "mobilenetv3_small_100", "mobilenetv4_conv_small"
SHUFFLE, STAR = "shufflenet_v2_x1_0", "starnet_s1"
V1_MODULE = "v1 ACH"
_OF_ROW = "models.{model}.{variant}"  # in a record that holds the counts of several models


@dataclass(frozen=True)
class Layout:
    """A table: rows, columns, and what is said of them. `published` names its published table, if not its own name.

    `others` are sources of columns that read the records of `variants` in the place of a row's own.
    """

    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    published: str = ""
    rows_are: str = "Model"
    turned: bool = False
    split: bool = False  # its compare version in several sub-tables
    caption: str = ""
    notes: tuple[str, ...] = ()
    derived: dict[str, Derived] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)  # source -> the folder it reads
    variants: dict[str, str] = field(default_factory=dict)


def _top1(
    key: str = "top1",
    title: str = "Top-1",
    source: str = "cifar100",
    over: str = "",
    best: bool = True,
    arrow: bool = False,
    published: str = "",
) -> tuple[Column, ...]:
    """Top-1 accuracy after the last epoch; in the CSV alone the best on test (the authors' protocol) and on train."""
    return (
        Column(key, title, source, "top1_last", unit="%", over=over, best=best, arrow=arrow, spread=True,
               published=published),
        Column(f"{key}_best_on_test", "", source, "top1_best_on_test", shown=False),
        Column(f"{key}_train", "", source, "train_top1_last", shown=False),
    )  # fmt: skip


def _counts(
    key: str = "flops_m", unit: str = "M", factor: float = 2e-6, digits: int = 0, arrow: bool = False
) -> tuple[Column, ...]:
    """Parameters and FLOPs; in the CSV alone the other conventions."""
    more = ("macs", "hadamard_products", "flops", "flops_all")
    return (
        Column("params_m", "Params", "complexity", "parameters", 1e-6, "M", arrow=arrow),
        Column(key, "FLOPs", "complexity", "macs_thop", factor, unit, digits=digits, arrow=arrow),
        *(
            Column(f"{metric}_m", "", "complexity", metric, 1e-6, shown=False)
            for metric in more
            if f"{metric}_m" != key
        ),
    )


_THOP = (
    "FLOPs are twice the count of thop, the counter that the paper's numbers agree with: multiply-accumulates of "
    "convolutions and linear layers, four for each element of a batch or layer norm, and average pooling; nothing for "
    "activations (ReLU, hardswish, SiLU, GELU), softmax, Hadamard products, DySoft and CrossHadaNorm. thop passes over "
    "timm's batch norms with an activation in them, which count here like any other."
)
_V1_IS = f"{V1_MODULE}: the module of the paper's first version"
_REPLACED = "(repl.): ACH in the place of the last two blocks"


def _ticks(*keys: str) -> tuple[Column, ...]:
    titles = {"pointwise": "P.W. conv", "eca": "ECA", "evaluation": "Eva-Net", "learnable": "Learnable",
              "dysoft": "DySoft", "crosshada": "C.H.Norm"}  # fmt: skip
    return tuple(Column(key, titles[key], role="words") for key in keys)


def _ablation(keys: tuple[str, ...], model: str, *rows: tuple[str, str, str, str]) -> tuple[Row, ...]:
    """Rows of (variant, label, ticks as 1 and 0, name in the published table)."""
    return tuple(
        Row(
            model=model,
            variant=variant,
            label=label,
            published=name,
            words={key: "✓" for key, tick in zip(keys, ticks, strict=True) if tick == "1"},
        )
        for variant, label, ticks, name in rows
    )


_FIGURE3 = ("pointwise", "eca", "learnable", "dysoft")
_V1_TABLE3 = ("pointwise", "evaluation", "learnable", "crosshada")


def _blocks() -> tuple[Row, ...]:
    names = {"none": "/", "9+10": "IB 9, 10"}
    return tuple(
        Row(model=V3, variant={"none": "base", "9+10": "repl"}.get(block, f"repl_{block}"),
            label=names.get(block, f"IB {block}"), published=block)
        for block in ("none", "0", "1", "9", "8", "10", "9+10")
    )  # fmt: skip


def _pairs(replaced: str, *models: tuple[str, str], v1: tuple[str, ...] = ()) -> tuple[Row, ...]:
    """A model, the model with ACH, and for those in `v1` with the first version's ACH: a group each."""
    rows = []
    for group, (model, label) in enumerate(models, start=1):
        name = f"{label} ({replaced})"
        rows.append(Row(model=model, variant="base", label=label, group=group))
        rows.append(Row(model=model, variant="repl", label=name, group=group))
        if model in v1:
            rows.append(
                Row(
                    model=model,
                    variant="repl_v1",
                    label=f"{label} ({replaced}, {V1_MODULE})",
                    published=name,
                    group=group,
                )
            )
    return tuple(rows)


def _drop(cells: dict[str, list[Cell]]) -> list[Cell]:
    """Accuracy of the first row minus that of each other."""
    first, found = cells["top1"][0], [BLANK]  # the design that the others are compared with
    for cell in cells["top1"][1:]:
        if first.value is None or cell.value is None:
            remark = cell.remark if cell.value is None else Remark.of("the first design was not run")
            found.append(combined(Cell(remark=remark), first, cell))
        else:
            found.append(combined(Cell(first.value - cell.value, n=min(first.n, cell.n)), first, cell))
    return found


def _v1_nets() -> tuple[Row, ...]:
    small, middle, large = (
        ((SHUFFLE, "ShuffleNetV2-1.0"), (V3, "MobileNetV3-S"), (S, "Hadaptive-Net-S"), (V4, "MobileNetV4-S"),
         (STAR, "StarNet-S1")),
        (("hadaptive_net_m", "Hadaptive-Net-M"), ("starnet_s2", "StarNet-S2"),
         ("mobilenetv3_large_100", "MobileNetV3-L"), ("starnet_s3", "StarNet-S3")),
        (("hadaptive_net_l", "Hadaptive-Net-L"), ("starnet_s4", "StarNet-S4"),
         ("mobilenetv4_conv_medium", "MobileNetV4-M"), ("mobilenetv4_conv_large", "MobileNetV4-L")),
    )  # fmt: skip
    return tuple(
        Row(
            model=model,
            variant="v1" if model.startswith("hadaptive") else "base",
            label=label,
            group=group,
            ours=model.startswith("hadaptive"),
        )
        for group, nets in enumerate((small, middle, large), start=1)
        for model, label in nets
    )


def _bert() -> tuple[Row, ...]:
    """BERT with each feed-forward layer; the paper's FFN is printed 2048 wide, so that both of ours stand beside it."""
    kinds = (("ffn_fixed", "FFN, fixed channels", "FFN (fixed channel)"), ("ffn_ach", "ACH", "ACH Module"),
             ("ffn_two_thirds", "FFN, two thirds", "FFN"), ("base", "FFN", "FFN"))  # fmt: skip
    return tuple(
        Row(
            model=f"bert_{layers}",
            variant=variant,
            label=f"BERT-{layers}: {label}",
            published=f"BERT-{layers},{name}",
            group=layers,
        )
        for layers in (6, 12)
        for variant, label, name in kinds
    )


LAYOUTS: dict[str, Layout] = {
    "table1": Layout(
        title="Normalizer functions in Hadaptive-Net-S (the paper's Table 1).",
        rows=tuple(
            Row(model=S, variant=variant, label=label, published=name, words={"formula": formula})
            for variant, label, name, formula in (
                ("dysig", "Sigmoid", "DySig", "exp(x)/(exp(x) + 1)"),
                ("dysoft", "Softsign", "DySoft", "x/(1 + |x|)"),
                ("dyalge", "Alge. Sigmoid", "DyAlge", "x/sqrt(1 + x²)"),
                ("sigmoid", "Sigmoid, plain start", "", "exp(x)/(exp(x) + 1)"),
            )
        ),
        columns=(Column("formula", "Formula", role="words"), *_top1()),
        rows_are="Function",
        turned=True,
        notes=("Sigmoid: as in the authors' code, w (f(alpha x) - 0.5) + b from alpha = 0.35 and w = 2. Plain start, "
               "not in the paper: the same without that offset, from alpha = 0.5 and w = 1 as the other two.",),
    ),
    "table2": Layout(
        title="ACH in the place of inverted bottlenecks of MobileNetV3-S (the paper's Table 2).",
        rows=_blocks(),
        columns=(*_top1(), *_top1("top1_v1", f"Top-1, {V1_MODULE}", "cifar100_v1", published="top1")),
        rows_are="Replaced",
        turned=True,
        caption=f"IB: inverted bottleneck, of 0 to 10; /: none; {_V1_IS}.",
        others={"cifar100_v1": "cifar100"},
        variants={row.variant: f"{row.variant}_v1" for row in _blocks() if row.variant != "base"},
    ),
    "table5": Layout(
        title="ACH in the place of the last two blocks of efficient models (the paper's Table 5).",
        rows=_pairs("repl.", (V3, "MobileNetV3-S"), (V4, "MobileNetV4-S"), (SHUFFLE, "ShuffleNetV2-1.0"),
                    (STAR, "StarNet-S1"), v1=(V3, V4)),
        columns=(*_top1(best=False, arrow=True), *_counts(arrow=True)),
        caption=_THOP,
        notes=(f"{_REPLACED}; {_V1_IS}; arrows: against the model as it was.",),
    ),
    "table8": Layout(
        title="ACH in the place of the middle four feed-forward layers of MobileViT (the paper's Table 8).",
        rows=_pairs("replaced", *((f"mobilevit_{size}", f"MobileViT-{name}small")
                                  for size, name in (("s", ""), ("xs", "x-"), ("xxs", "xx-")))),
        columns=(*_counts("gflops", "G", 2e-9, 3),
                 Column("gflops_attention", "with attention", "complexity", "macs_thop_attention", 2e-9, "G", digits=3),
                 *_top1(best=False), Column("top5", "Top-5", "cifar100", "top5_last", unit="%", spread=True)),
        caption=f"{_THOP} Nor does thop see the matrix products of attention, so that the paper's FLOPs lack them; the "
                "full count stands beside.",
    ),
    "figure3_table": Layout(
        title="Components of ACH in Hadaptive-Net-S (the paper's Figure 3).",
        rows=_ablation(
            _FIGURE3, S,
            ("fixed", "(3) fixed channels", "1001", "1,0,0,1"),
            ("no_eca", "(2) no ECA", "1011", "1,0,1,1"),
            ("no_pointwise", "(1) no pointwise conv", "0111", "0,1,1,1"),
            ("batchnorm", "(4) batch norm", "1110", "1,1,1,0"),
            ("dysoft", "ACH", "1111", "1,1,1,1"),
            ("ste_released", "(5) released gradient", "1111", ""),
        ),
        columns=(*_ticks(*_FIGURE3), *_top1()),
        published="figure3",
        rows_are="Variant",
        notes=("Numbers as in the diagram: (1) no pointwise convolution, (2) a learned score for each channel in place "
               "of ECA, (3) always the first k channels, (4) batch norm in the place of DySoft. (5), not in the paper: "
               "the straight-through gradient of the released code, the negative of eq. 6.",),
    ),
    "table13": Layout(
        title="ACH in the place of the first feed-forward layer of BERT, from random weights (the paper's Table 13).",
        rows=_bert(),
        columns=(
            Column("in_out_channels", "In, out", "text_models", f"{_OF_ROW}.in_out_channels", over="Channels",
                   digits=0),
            Column("mid_channels", "Middle", "text_models", f"{_OF_ROW}.mid_channels", over="Channels",
                   digits=0),
            Column("params_m", "Params", "text_models", f"{_OF_ROW}.parameters", 1e-6, "M"),
            *_top1("sst2", "SST-2", "sst2"),
            *_top1("mnli10", "MNLI-10%", "mnli"),
            Column("sst2_commonest", "", "sst2", "commonest_class", shown=False),
            Column("mnli10_commonest", "", "mnli", "commonest_class", shown=False),
        ),
        rows_are="Feed-forward layer",
        notes=("Parameters: with BERT's 30,522 word pieces and the two classes of SST-2. FFN: BERT's own, four times "
               "as wide inside; two thirds: two thirds of that, at 768 channels the 2048 that the paper prints for its "
               "FFN (BERT-base has 3072). Both stand beside the paper's one FFN.",),
    ),
    "v1_table1": Layout(
        title="Order and kind of normalisation in the first version's ACH, in blocks 9 and 10 of MobileNetV3-S "
        "(Table 1 of the first version).",
        rows=tuple(
            Row(model=V3, variant=variant, label=label, published=name)
            for variant, label, name in (
                ("repl_v1", "CrossHadaNorm", "CrossHadaNorm on normalised features (as published)"),
                ("repl_v1_unnormalised", "(1) unnormalised features", "ACH on unnormalised features"),
                ("repl_v1_batchnorm", "(2) batch norm", "BatchNorm instead of CrossHadaNorm"),
                ("repl_v1_as_released", "released module", ""),
                ("repl_v1_corrected", "corrected sign", ""),
                ("repl_v1_affine", "affine moments", ""),
            )
        ),
        columns=(*_top1(), Column("accuracy_drop", "Acc. drop", "cifar100")),
        rows_are="Design",
        turned=True,
        derived={"accuracy_drop": _drop},
        notes=("Not in the paper: the released module, with ReLU6 in its evaluation network and a trained temperature; "
               "CrossHadaNorm with the sign of the mixed covariance term that joint normals have; and with the bias "
               "and weight of batch norm as moments, which normalised channels have.",),
    ),
    "v1_table3": Layout(
        title="Components of the first version's ACH, in blocks 9 and 10 of MobileNetV3-S (Table 3 of the first "
        "version).",
        rows=_ablation(
            _V1_TABLE3, V3,
            ("repl_v1_fixed", "(3) fixed channels", "1001", "1"),
            ("repl_v1_no_evaluation", "(2) no evaluation network", "1011", "2"),
            ("repl_v1_no_pointwise", "(1) no pointwise conv", "0111", "3"),
            ("repl_v1_batchnorm", "(4) batch norm", "1110", "4"),
            ("repl_v1", "ACH", "1111", "5"),
        ),
        columns=(*_ticks(*_V1_TABLE3), *_top1()),
        rows_are="Variant",
        notes=("Numbers as in the first version's Figure 5: (1) no pointwise convolution, (2) a learned score for each "
               "channel in the place of the evaluation network, (3) always the first k channels, (4) batch norm in the "
               "place of CrossHadaNorm. The published rows are taken in the order of the paper's Figure 3.",),
    ),
    "v1_table5": Layout(
        title="Comparison of efficient models, Hadaptive-Net with the first version's ACH (Table 5 of the first "
        "version).",
        rows=_v1_nets(),
        columns=(
            *_counts(),
            Column("latency_onnx_ms", "ONNX Runtime, CPU", "latency", "cpu.median_ms", over="Latency (ms)",
                   relative_to="MobileNetV3-S"),
            Column("latency_cuda_ms", "CUDA", "latency", "gpu.median_ms", over="Latency (ms)",
                   relative_to="MobileNetV3-S"),
            *_top1("cifar100_top1", over="CIFAR-100"),
            Column("cifar100_top5", "Top-5", "cifar100", "top5_last", unit="%", over="CIFAR-100", spread=True),
            *_top1("imagenet1k_top1", source="imagenet1k", over="ImageNet-1k"),
        ),
        split=True,
        caption=_THOP,
    ),
}  # fmt: skip
