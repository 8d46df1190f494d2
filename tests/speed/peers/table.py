"""Records of all tools as two Markdown tables: what was measured, and what each tool has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from speed.peers.tool import FEATURES

HEADER = (
    "tool",
    "a candidate is judged by",
    "candidates",
    "CPU s a candidate",
    "with loading",
    "wall s a candidate",
    "true refusals left (95 %)",
    "first-token KL, nats (95 %)",
    "told from chance by",
)


def render(about: Mapping[str, str], records: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: conditions, the measured table, tools that gave no number and why, and the table of features, in which
    ways to run one tool (``name, way``) share a column.

    Args:
        records: of each tool ``tool``, ``version``, ``features`` and either what ``command.measured`` finds or ``failed``.
    """
    lines = [f"- {name}: {text}" for name, text in about.items()]
    loads = [record["load"] for record in records if "load" in record]
    lines += [f"- load: {min(loads):.1f} to {max(loads):.1f} processes waiting for the cores"] if loads else []
    lines += ["", row(HEADER), row(["---"] * len(HEADER))]
    lines += [row(cells(record)) for record in records if "failed" not in record]
    lines += ["", *(f"- {record['tool']} failed: {record['failed']}" for record in records if "failed" in record)]
    had = {f"{record['tool'].partition(',')[0]} {record['version']}": record["features"] for record in records}
    lines += ["", row(["", *had]), row(["---"] * (len(had) + 1))]
    lines += [row([feature, *(features[feature] for features in had.values())]) for feature in FEATURES]
    return "\n".join(lines) + "\n"


def row(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"


def cells(record: Mapping[str, Any]) -> list[str]:
    """One tool's line; its seconds are processor seconds, which grow less than others when the machine is busy."""
    each, loaded = (record[name]["cpu"] / record["candidates"] for name in ("search", "picked"))
    return [
        record["tool"],
        record["judged_by"],
        str(record["candidates"]),
        f"{each:.2f}",
        f"{loaded:.2f}",
        f"{record['search']['wall'] / record['candidates']:.1f}",
        between(record["refusal"], 2),
        between(record["kl"], 4),
        told_apart(record.get("controls")),
    ]


def between(interval: Mapping[str, float], digits: int) -> str:
    low, mean, high = (f"{interval[name]:.{digits}f}" for name in ("low", "mean", "high"))
    return f"{mean} ({low} to {high})"


def told_apart(controls: Mapping[str, float] | None) -> str:
    """Whether controls stood beside the edit, and where it came among them."""
    if controls is None:
        return "nothing in its run"
    return f"{controls['n']} controls, rank p = {controls['p']:.2f}; the strongest lowers refusals by {controls['most']:.2f}"
