"""Draw every figure and write every table of a paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.evidence.figures.save import save_figure
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.evidence.report.tables import save_table
from anatomy.progress.counting import counted
from anatomy.stages.paper_report import Files, paper_report
from anatomy.store.files import write_text

PINS: tuple[str, ...] = ("altair", "vl-convert-python")


def draw_all(
    report: str,
    config: Config,
    files: Files,
    plans: Sequence[FigurePlan],
    figures: Path,
    tables: Path,
    names: Sequence[str],
    printed: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Write ``<figures>/<name>.{svg,pdf,csv,vl.json}`` and ``<tables>/<name>.csv``.

    Args:
        report: the paper's report module.
        files: its evidence, by name.
        plans: its figures.
        names: its tables.
        printed: those of them that are written as ``<tables>/<name>.tex`` too, with intervals in their cells.
    """
    paper = paper_report(report)
    evidence = paper.read_evidence(config, files)
    for plan in counted(plans, "figures", len(plans)):
        save_figure(paper.draw(plan, config, evidence), figures, plan.name)
    for name in counted(names, "tables", len(names)):
        table = paper.tabulate(name, config, evidence)
        if name in printed:
            save_table(table, tables, name, paper.title_of(name))
        else:
            write_text(tables / f"{name}.csv", table.to_csv(index=False))
    say(f"{len(plans)} figures, {len(names)} tables")
