"""Draw every figure and write every table of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.evidence.figures.save import save_figure
from anatomy.evidence.report.tables import save_table
from anatomy.progress.counting import counted
from anatomy.recipes.rosi.figures import draw
from anatomy.recipes.rosi.plans import TABLE_PLANS, figure_plans
from anatomy.recipes.rosi.selection_table import selection_table
from anatomy.recipes.rosi.tables import tabulate
from anatomy.stages.evidence import read_evidence
from anatomy.store.files import write_text

PINS: tuple[str, ...] = ("altair", "scipy", "vl-convert-python")


def draw_all(config: Config, files: dict[str, list[Path]], figures: Path, tables: Path, say: Callable[[str], None]) -> None:
    """Write ``<figures>/<name>.{svg,pdf,csv,vl.json}`` ``<tables>/<name>.{csv,tex}`` and ``<tables>/selection.csv``."""
    evidence = read_evidence(config, files)
    plans = figure_plans(config)
    for plan in counted(plans, "figures", len(plans)):
        save_figure(draw(plan, config, evidence), figures, plan.name)
    for plan in counted(TABLE_PLANS, "tables", len(TABLE_PLANS)):
        save_table(tabulate(plan, config, evidence), tables, plan.name, plan.title)
    write_text(tables / "selection.csv", selection_table(config, evidence).to_csv(index=False))
    say(f"{len(plans)} figures, {len(TABLE_PLANS) + 1} tables")
