"""Draw every figure and write every table of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.figures.save import save_figure
from anatomy.recipes.rosi.figures import draw
from anatomy.recipes.rosi.plans import TABLE_PLANS, figure_plans
from anatomy.recipes.rosi.tables import tabulate
from anatomy.report.tables import save_table
from anatomy.stages.evidence import read_evidence


def draw_all(config: Config, files: dict[str, list[Path]], figures: Path, tables: Path, say: Callable[[str], None]) -> None:
    """Write ``<figures>/<name>.{svg,pdf,csv,vl.json}`` and ``<tables>/<name>.{csv,tex}``."""
    evidence = read_evidence(config, files)
    plans = figure_plans(config)
    for plan in plans:
        save_figure(draw(plan, config, evidence), figures, plan.name)
    for plan in TABLE_PLANS:
        save_table(tabulate(plan, config, evidence), tables, plan.name, plan.title)
    say(f"{len(plans)} figures, {len(TABLE_PLANS)} tables")
