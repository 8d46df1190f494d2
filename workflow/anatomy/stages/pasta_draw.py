"""Draw every figure and write every table of PASTA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.evidence.figures.save import save_figure
from anatomy.recipes.pasta.figures import draw
from anatomy.recipes.pasta.plans import TABLES, figure_plans
from anatomy.recipes.pasta.tables import tabulate
from anatomy.stages.pasta_evidence import read_evidence
from anatomy.store.files import write_text

PINS: tuple[str, ...] = ("altair", "scipy", "torch", "vl-convert-python")
NOT_PINNED = {"transformers": "imported with the reader of directions; no model is opened"}


def draw_all(config: Config, files: dict[str, list[Path]], figures: Path, tables: Path, say: Callable[[str], None]) -> None:
    """Write ``<figures>/<name>.{svg,pdf,csv,vl.json}`` and ``<tables>/<name>.csv``."""
    evidence = read_evidence(config, files)
    plans = figure_plans(config)
    for plan in plans:
        save_figure(draw(plan, config, evidence), figures, plan.name)
    for name in TABLES:
        write_text(tables / f"{name}.csv", tabulate(name, evidence).to_csv(index=False))
    say(f"{len(plans)} figures, {len(TABLES)} tables")
