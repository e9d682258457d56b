"""Claim 14 (appendix A.6): what the records of Grad-CAM say of how early a net focuses on the subject of an image."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.spec import ClaimsSpec, record_path
from hadaptive.record.measures import ExplainedNet, ExplainRecord

SAID = "With ACH the net focuses on the subject at an earlier layer than the all-Ghost net"
BASELINE, OURS = "all_ghost", "dysoft"
NAMED = 3  # images whose numbers are spelled out, at most


def findings(spec: ClaimsSpec, results_root: Path) -> Iterator[Finding]:
    """The layer at which each net focuses (`hadaptive.explain.focus` says what that is), a mean over images a training.

    A net that focuses nowhere counts as focusing one layer after the last that counts. Two means differ where they are
    further apart than their deviations over seeds or, if larger (seeds may agree by chance), the standard error over
    images of the difference. Of one seed, or of one image, the noise is not known.
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
    seeds = sum(statistics.stdev(each) for each in means.values())
    images = statistics.stdev(map(_gap, records.values())) / math.sqrt(len(records))
    noise, over = max((seeds, "deviations over seeds"), (images, "standard error over images"))
    true = None if abs(ours - theirs) <= noise else ours < theirs
    return Finding(SAID, true, f"{because}, noise {noise:.2g} ({over})")


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
        said: dict[str, str] = {}
        for net in reversed(record.metrics.nets):
            said[net.variant] = "nowhere" if net.focuses_at is None else str(net.focuses_at)
        parts.append(f"{name}: {said[OURS]} against {said[BASELINE]}")
    return f"in {', '.join(parts)}{where}"
