"""The picks of a model's methods as adapters that peft and vLLM load as they are, each with its card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.adapter import write_adapter
from anatomy.interventions.edits.spec import LowRankSpec
from anatomy.recipes.rosi.families import generated_families
from anatomy.stages.kept_adapters import KeptAdapter
from anatomy.stages.model_edits import ModelEdits

PINS: tuple[str, ...] = ("torch", "transformers")


def keep_adapters(
    config: Config,
    subject: Subject,
    model_edits: ModelEdits,
    picks: Mapping[str, LowRankSpec | None],
    table: pd.DataFrame,
    folder: Path,
) -> list[KeptAdapter]:
    """Write ``<folder>/<family>/`` for every method's pick that amplifies; controls are never kept.

    An edit that may lower safety stays in memory: by intent (``measure``), or because it refused fewer harmful requests than
    the unedited model on the select split. The organism's are exempt: its harm is invented.

    Args:
        table: what each candidate did on the select split (``anatomy.recipes.rosi.stages.pick``).

    Returns:
        One row a method: what the edit is, how large, how much of it survives in bfloat16, and where it lies.
    """
    shutil.rmtree(folder, ignore_errors=True)
    rows: list[KeptAdapter] = []
    for family in generated_families(config, subject):
        edit = picks[family.name]
        if family.control or edit is None:
            continue
        built = model_edits.low_rank(edit)
        rise = table.loc[(table["family"] == family.name) & table["picked"], "harmful_rise"].iloc[0]
        kept = subject.is_organism or (built.card.intent == "amplify" and rise >= 0)
        if kept:
            write_adapter(built, folder / family.name, model_edits.checkpoint)
        norms = built.card.relative_norms.values()
        rows.append(
            {
                "model": subject.id,
                "family": family.name,
                "layer": edit["direction"]["layer"],
                "strength": edit["strength"],
                "sign": edit["sign"],
                "intent": built.card.intent,
                "matrices": len(built.card.edited),
                "parameters": built.card.parameters,
                "relative norm": sum(norms) / len(norms),
                "survives bfloat16": built.card.surviving_share,
                "digest": built.digest()[:16],
                "adapter": str(folder / family.name) if kept else "not kept",
            }
        )
    return rows
