"""The audit as one page that opens from disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from anatomy.audit.charts import sizes, spectra
from anatomy.audit.measured import Measured, behaviour_table
from anatomy.audit.spectrum import SKETCH
from anatomy.audit.verdict import Verdict, verdict_table
from anatomy.audit.weights import WeightsAudit
from anatomy.evidence.figures.save import save_figure
from anatomy.evidence.report.content import Item, PageTable, Section, read_figure
from anatomy.evidence.report.page import build_report

SHOWN = (
    "tensor",
    "kind",
    "relative norm",
    "entries changed",
    "rank",
    "stable rank",
    "first value's share",
    "gain",
    "cosine with W^T u",
)
"""Columns of the table of tensors that fit on the page, beside those of directions."""

MOST = 400
"""Rows of the table of tensors on the page; the CSV file has all."""


def write_page(
    audit: WeightsAudit,
    found: Sequence[Verdict],
    measured: Sequence[Measured],
    names: tuple[str, str],
    facts: Mapping[str, Mapping[str, object]],
    folder: Path,
) -> Path:
    """Write ``audit.html`` and its tables as CSV into a folder, which exists.

    Args:
        names: what the original and the edited checkpoint are called.
        facts: of the command, the folders and the machine, for the end of the page.
    """
    tensors, behaviour = audit.table(), behaviour_table(measured)
    verdict_table(found).to_csv(folder / "verdict.csv", index=False)
    tensors.to_csv(folder / "tensors.csv", index=False)
    if measured:
        behaviour.to_csv(folder / "behaviour.csv", index=False)
    weights, asked = found[: len(found) - len(measured)], found[len(found) - len(measured) :]
    items: list[Item] = [PageTable("Weights", f"Compared with {names[0]}, tensor by tensor.", verdict_table(weights))]
    if asked:
        items.append(PageTable("Answers", "Both asked the same prompts, beside controls.", verdict_table(asked)))
    sections = [Section("verdict", "Verdict", "", items, first=True)]
    if measured:
        sections.append(
            Section(
                "behaviour",
                "What it does",
                "The original, the edited model and controls were asked the same prompts, as the original is spoken to. Changes "
                "are paired by prompt; intervals are 95 %. A control changes the same tensors by as much, at the same rank, in a "
                "direction that means nothing.",
                [
                    PageTable(
                        "Behaviour",
                        "Refusals are judged by rules; KL is in nats, on harmless prompts, from the original's predictions along "
                        "its own greedy answers; benchmarks are shares of items, by the metric that a task is read by. From, to: "
                        "of the controls.",
                        behaviour.drop(columns=["prompts", "controls"]),
                    )
                ],
            )
        )
    if not tensors.empty:
        along = [name for name in tensors if str(name).startswith("cosine with ") and str(name).endswith(" direction")]
        shown = tensors.head(MOST)[[*SHOWN, *along]]
        sections.append(
            Section(
                "tensors",
                "Which tensors changed",
                "Norms are Frobenius norms; u is the first left singular vector of a change, on the stream's side.",
                [*_figures(audit, folder), PageTable("Tensors", f"The {len(shown)} largest of {len(tensors)}.", shown)],
            )
        )
    return build_report(
        title=f"Audit of {names[1]}",
        summary="",
        ledger=None,
        sections=sections,
        manifest=facts,
        out_path=folder / "audit.html",
    )


def _figures(audit: WeightsAudit, folder: Path) -> Iterator[Item]:
    """Both charts, saved beside the page; the second where a matrix changed."""
    drawn = [("sizes", "Size by block", "||Delta|| / ||W|| of each changed tensor.", sizes(audit))]
    if any(one.spectrum is not None for one in audit.changed):
        caption = f"The first {SKETCH} singular values at most, as shares of ||Delta||; a line a matrix. Below 1e-6: rounding."
        drawn.append(("spectra", "Singular values", caption, spectra(audit)))
    for name, title, caption, chart in drawn:
        save_figure(chart, folder / "figures", name)
        yield read_figure(folder / "figures", name, title, caption)
