"""Claim 14 (appendix A.6): what the records of Grad-CAM say of how early a net focuses on the subject of an image."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.claims.estimates import student
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.spec import ClaimsSpec, record_path
from hadaptive.record.measures import ExplainedNet, ExplainRecord

SAID = "With ACH the net focuses on the subject at an earlier layer than the all-Ghost net"
BASELINE, OURS = "all_ghost", "dysoft"
ROUNDING = 1 / 12  # variance of what is rounded to a whole number
NAMED = 3  # images whose numbers are spelled out, at most


def findings(spec: ClaimsSpec, results_root: Path) -> Iterator[Finding]:
    """The layer at which each net focuses (`hadaptive.explain.focus` says what that is), a mean over images a training.

    A net that focuses nowhere counts as focusing one layer after the last that counts. Both seeds and images are
    samples: the variance of a difference is that over seeds plus that over images, each at least that of rounding to a
    whole layer (seeds may agree by chance), and its distribution Student's t. Of one seed, or of one image, the noise
    is not known.
    """
    records: dict[str, ExplainRecord] = {}
    for each in spec.explained:
        record = read_record(record_path(spec, each, results_root), each, spec.scale, ExplainRecord)
        if isinstance(record, Remark):
            yield Finding(SAID, None, record.text, measured=False)
            return
        records[each.rpartition("/")[2]] = record
    if not records:
        yield Finding(SAID, None, "no image is named", measured=False)
        return
    edited = any(record.edited for record in records.values())
    yield replace(_compare(records), demonstration=spec.demonstration, edited=edited)


def _compare(records: Mapping[str, ExplainRecord]) -> Finding:
    nets = [net for record in records.values() for net in record.metrics.nets]
    means = {
        variant: [
            statistics.fmean(_layer(net) for net in nets if (net.variant, net.seed) == (variant, seed))
            for seed in sorted({net.seed for net in nets if net.variant == variant})
        ]
        for variant in (BASELINE, OURS)
    }
    ours, theirs = (statistics.fmean(means[variant]) for variant in (OURS, BASELINE))
    because = f"layer {ours:.3g} against {theirs:.3g}, where {nets[0].counted_layers + 1} is nowhere, "
    because += _each(records)
    for few, what in ((min(len(each) for each in means.values()), "seed"), (len(records), "image")):
        if few < 2:
            return Finding(SAID, None, f"{because}; one {what}, whose noise is not known")
    seeds = [(max(statistics.variance(each), ROUNDING) / len(each), len(each) - 1) for each in means.values()]
    images = max(statistics.variance(map(_gap, records.values())), ROUNDING) / len(records), len(records) - 1
    estimate = student(theirs - ours, *seeds, images)
    because += f": earlier by {estimate.words('layers')}, over seeds and images"
    return Finding(SAID, ours < theirs, because, p=estimate.p, estimate=estimate)


def _gap(record: ExplainRecord) -> float:
    """By how many layers the net with ACH focuses earlier in one image, a mean over seeds."""
    layers = {
        variant: statistics.fmean(_layer(net) for net in record.metrics.nets if net.variant == variant)
        for variant in (BASELINE, OURS)
    }
    return layers[BASELINE] - layers[OURS]


def _layer(net: ExplainedNet) -> int:
    return net.counted_layers + 1 if net.focuses_at is None else net.focuses_at


def _each(records: Mapping[str, ExplainRecord]) -> str:
    """The first seed's layers in each of a few images, or over how many images the mean is."""
    unplaced = sum(record.settings.subject is None for record in records.values())
    where = f"; in {unplaced} of them focus anywhere counts, no subject is given" if unplaced else ""
    if len(records) > NAMED:
        return f"a mean over {len(records)} images{where}"
    parts = []
    for name, record in records.items():
        focuses: dict[str, str] = {}
        for net in reversed(record.metrics.nets):
            focuses[net.variant] = "nowhere" if net.focuses_at is None else str(net.focuses_at)
        parts.append(f"{name}: {focuses[OURS]} against {focuses[BASELINE]}")
    return f"in {', '.join(parts)}{where}"
