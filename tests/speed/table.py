"""Records of all rows as one Markdown table."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from speed.comparison import Comparison

HEADER = ("measure", "against", "ours", "theirs", "ratio (repeat by repeat)", "target", "", "model", "note")


def render(machine: Mapping[str, str], records: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: what it was measured on, one line a comparison, then the rows that gave none and why.

    Args:
        records: of each row ``{"row", "comparisons"}`` or ``{"row", "skipped"}`` or ``{"row", "failed"}``.
    """
    lines = [f"- {name}: {text}" for name, text in machine.items()]
    lines += ["", f"| {' | '.join(HEADER)} |", f"|{' --- |' * len(HEADER)}"]
    for record in records:
        for fields in record.get("comparisons", ()):
            lines.append("| " + " | ".join(cells(Comparison(**fields))) + " |")
    missing = [(record["row"], kind, record[kind]) for record in records for kind in ("skipped", "failed") if kind in record]
    lines += ["", *(f"- {row} {kind}: {why}" for row, kind, why in missing)] if missing else []
    return "\n".join(lines) + "\n"


def cells(one: Comparison) -> tuple[str, ...]:
    spread = f" ({min(one.ratios):.2f} to {max(one.ratios):.2f})" if len(one.ratios) > 1 else ""
    sign = "≥" if one.goal == "at least" else "≤"
    return (
        one.measure,
        one.against,
        amount(one, one.ours),
        amount(one, one.baseline),
        f"{one.ratio:.2f}{spread}",
        f"{sign} {one.target:g}",
        "reached" if one.reached else "**missed**",
        one.model,
        one.note,
    )


def amount(one: Comparison, side: Sequence[float]) -> str:
    """Median with smallest and largest repeat, as size, as time, or as rate."""
    values = sorted(side)
    if one.unit == "bytes":
        return f"{median(values) / 2**20:.2f} MiB"
    if one.unit == "tokens passed":
        return f"{median(values):,.0f} tokens"
    spread = f" ({values[0]:.1f} to {values[-1]:.1f})" if len(values) > 1 else ""
    wall = f"{median(values):.1f} s{spread}"
    return wall if one.unit == "runs" else f"{one.work / median(values):.3g} {one.unit}/s, {wall}"
