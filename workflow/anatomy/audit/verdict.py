"""An audit in one table: what was done, where, how much, along which direction, and what that does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from anatomy.audit.directions import Standing
from anatomy.audit.kinds import ALONG, LOW, Kind
from anatomy.audit.measured import Measured
from anatomy.audit.weights import WeightsAudit

FILES = "configuration, tokenizer, chat template and generation settings"

QUESTIONS = {
    "refusal": "harmful requests refused",
    "over-refusal": "harmless requests refused",
}


@dataclass(frozen=True)
class Verdict:
    """One line: what was asked, the answer, and what it rests on."""

    question: str
    answer: str
    evidence: str


def verdicts(audit: WeightsAudit, measured: Sequence[Measured]) -> list[Verdict]:
    """The lines of the table.

    Args:
        measured: what the behaviour half found; empty without it.
    """
    found = [_done(audit), *([_where(audit), _size(audit)] if audit.changed else [])]
    if audit.axis is not None:
        found += _along(audit)
    found.append(
        Verdict("other files", "differ" if audit.notes else "no difference that counts", "; ".join(audit.notes) or FILES)
    )
    return [*found, *map(_does, measured)]


def verdict_table(found: Sequence[Verdict]) -> pd.DataFrame:
    """The same as a table."""
    return pd.DataFrame([vars(one) for one in found])


def _done(audit: WeightsAudit) -> Verdict:
    total, counts = len(audit.found), audit.counts
    if not audit.changed:
        casts = [one.difference for one in audit.found if one.kind == Kind.CAST]
        largest = max((one.cast_share for one in casts), default=0.0)
        said = f"; {len(casts)} were cast to {casts[0].cast}, which is at most {largest:.2e} of a tensor's norm" if casts else ""
        return Verdict("what was done", audit.likely, f"all {total} tensors are equal entry by entry{said}")
    listed = ", ".join(f"{kind}: {count}" for kind, count in counts.most_common())
    strongest = audit.table().iloc[0]
    said = f"of {total} tensors, {listed}; the largest, {strongest['tensor']}: {strongest['evidence']}"
    return Verdict("what was done", audit.likely, said)


def _where(audit: WeightsAudit) -> Verdict:
    sites = Counter(one.pair.name.removesuffix(".weight").rpartition(".")[2] for one in audit.changed)
    blocks = {one.pair.block for one in audit.changed}
    layers = sorted(block for block in blocks if block is not None)
    said = f"blocks {_ranges(layers)}" if layers else "no block"
    answer = ", ".join(f"{site} ({count})" for site, count in sites.most_common(4)) + (" and others" if len(sites) > 4 else "")
    return Verdict("where", answer, said)


def _ranges(numbers: Sequence[int]) -> str:
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]} to {part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def _size(audit: WeightsAudit) -> Verdict:
    sizes = pd.Series([one.difference.relative for one in audit.changed])
    total = sum(one.difference.norm**2 for one in audit.changed) ** 0.5
    dense = pd.Series([one.difference.changed for one in audit.changed]).median()
    low = [one.spectrum for one in audit.changed if one.spectrum is not None and one.kind in LOW]
    ranks = sorted({one.rank for one in low if one.exact})
    rank = f", of rank {_ranges(ranks)} up to rounding" if ranks else ""
    answer = f"{sizes.median():.2%} of a tensor's norm (median; {sizes.min():.2%} to {sizes.max():.2%})"
    said = f"{'sparse' if dense < 0.5 else 'dense'}: {dense:.2%} of a changed tensor's entries (median){rank}"
    gains = [one.gain for one in audit.changed if one.kind in (Kind.AMPLIFICATION, Kind.REMOVAL) and abs(one.along_write) > 0.9]
    if gains:
        said += f"; strength {pd.Series(gains).median():+.3f} (-1 removes what is written along the direction)"
    return Verdict("how much", answer, f"{said}; {total:.3g} in all")


def _along(audit: WeightsAudit) -> list[Verdict]:
    """A line for each direction that was handed over; one that says what is missing where there is none."""
    shared = "one writer changed"
    if audit.shared == audit.shared:
        alike = "all writers change along one direction" if audit.shared > ALONG else "writers change along several directions"
        shared = f"{alike} (mean |cosine| {min(1.0, audit.shared):.3f})"
    if not audit.standings:
        return [Verdict("along which direction", "no direction to compare with", f"{shared}; --pairs or --direction gives one")]
    return [
        Verdict(
            f"along the {one.name} direction",
            _each(audit, one) if audit.shared <= ALONG else _standing(one),
            f"{shared}; {_beside(one)}",
        )
        for one in audit.standings
    ]


def _each(audit: WeightsAudit, axis: Standing) -> str:
    """Writers that change along directions of their own, each beside chance."""
    cosines = pd.Series([one.along_references[axis.name] for one in audit.changed if one.writes and one.stream is not None])
    limit = max(axis.chance, axis.matched_chance) if axis.matched_chance == axis.matched_chance else axis.chance
    count = int((cosines > limit).sum())
    return f"{count} of {len(cosines)} writers beyond chance, matrix by matrix: |cosine| {cosines.median():.3f} (median)"


def _standing(one: Standing) -> str:
    lies = one.p <= 0.05 and not one.matched_p > 0.05
    return f"{'yes' if lies else 'not beyond chance'}: |cosine| {min(1.0, one.cosine):.3f} at {one.place}"


def _beside(one: Standing) -> str:
    said = f"{one.source}; random directions, with the same choice of places: {one.chance:.3f} (0.95 quantile), p {one.p:.4f}"
    if not one.matched_draws:
        return f"{said}; none drawn from the model's own activations (that takes --pairs, and no more candidates than places)"
    drawn = f"{one.matched_draws} directions drawn from the model's own activations, with a choice of {one.matched_places} places"
    return f"{said}; {drawn}: {one.matched_chance:.3f}, p {one.matched_p:.2f}"


def _does(one: Measured) -> Verdict:
    others = f"{len(one.controls)} controls of equal norm and rank"
    if one.before is None:
        answer = f"{one.change.estimate:.3g} nats ({one.change.low:.3g} to {one.change.high:.3g})"
        range_ = f"{min(one.controls):.3g} to {max(one.controls):.3g}" if one.controls else ""
        name = f"{one.name}, harmless requests"
    else:
        digits = 1 if one.benchmark else 0  # of shares of the likelihood, tenths of a point are no rounding
        change, low, high = (f"{100 * value:+.{digits}f}" for value in (one.change.estimate, one.change.low, one.change.high))
        answer = f"{one.before:.{digits}%} to {one.after:.{digits}%}: {change} points ({low} to {high})"
        ends = [f"{100 * end:+.{digits}f}" for end in (min(one.controls), max(one.controls))] if one.controls else []
        range_ = f"{' to '.join(ends)} points" if ends else ""
        name = f"{one.name}, benchmark" if one.benchmark else QUESTIONS[one.name]
    beyond = [abs(value) < abs(one.change.estimate) for value in one.controls]
    stands = "beyond them all" if all(beyond) else f"beyond {sum(beyond) or 'none'} of them"
    said = f"{stands.capitalize()}: {others} give {range_}, rank p {one.p:.2f}" if one.controls else "no controls"
    return Verdict(name, answer, f"{said}; {one.change.n} {'items' if one.benchmark else 'prompts'}")
