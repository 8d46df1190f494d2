"""Which direction each model's selection picked, beside the paper's own (Arditi et al. 2024, Table 5)."""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.recipes.rosi.figures import Evidence
from anatomy.stages.selected_direction import Outcome

SCORES = ("position", "layer", "bypass", "induce", "kl")
COLUMNS = ["model", "contrast", "outcome", "candidates", "kept", *SCORES, *(f"paper {name}" for name in SCORES)]
PAPER_TABLE = "5"
OUTCOMES: dict[Outcome, str] = {
    "picked": "picked",
    "nearest": "none passes the rule; the lowest bypass is shown",
    "empty grid": "no candidate could be scored",
    "no refusal tokens": "not searched: the model's refusals are not known",
}


def selection_table(config: Config, evidence: Evidence) -> pd.DataFrame:
    """One row a model and contrast; the paper's columns only where a paper's numbers are named and cover the model.

    The paper's numbers are rows of its Table 5 with arm ``direction`` and a score's name as source, as printed.
    """
    paper = {}
    if evidence.published is not None:
        own = evidence.published[evidence.published["arm"] == "direction"]
        own = own[own["table"].astype(str) == PAPER_TABLE]
        paper = {(row.model, row.source): row.value for row in own.itertuples()}
    rows, known = [], evidence.tables.grid
    grids = pd.DataFrame(columns=["model", "contrast"]) if known is None else known
    for subject in subjects(config):
        for contrast in subject.contrasts:
            grid = grids[(grids["model"] == subject.id) & (grids["contrast"] == contrast)]
            if grid.empty:
                continue
            cell = evidence.place(subject.id, contrast)
            searched = evidence.directions.get((subject.id, contrast))
            found = grid[(grid["position"] == cell[0]) & (grid["layer"] == cell[1])].iloc[0] if cell else {}
            rows.append(
                {
                    "model": subject.id,
                    "contrast": contrast,
                    "outcome": OUTCOMES[searched["outcome"]] if searched else OUTCOMES["empty grid"],
                    "candidates": len(grid),
                    "kept": int(grid["kept"].sum()),
                    **{name: found.get(name, float("nan")) for name in SCORES},
                    **{f"paper {name}": paper.get((subject.id, name), float("nan")) for name in SCORES},
                }
            )
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table if paper else table.drop(columns=[f"paper {name}" for name in SCORES])
