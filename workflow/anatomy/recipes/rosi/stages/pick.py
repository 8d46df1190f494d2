"""From what the shortlists did on the select split to one pick a family."""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.spec import LowRankSpec
from anatomy.recipes.rosi.families import generated_families
from anatomy.recipes.rosi.rules import pick

PINS: tuple[str, ...] = ()

REFUSED = ("full", "partial")
COLUMNS = [
    "model",
    "family",
    "place",
    "variant",
    "harmful_refused",
    "harmful_rise",
    "benign_rise",
    "benchmark_loss",
    "strength",
    "layer",
    "picked",
    "reason",
]


def pick_all(
    config: Config,
    subject: Subject,
    shortlist: dict[str, list[LowRankSpec]],
    judgements: pd.DataFrame,
    variants: pd.DataFrame,
    samples: pd.DataFrame,
    metrics: dict[str, str],
) -> tuple[dict[str, LowRankSpec | None], pd.DataFrame]:
    """Pick for every family of a model.

    Args:
        shortlist: family to its candidates, best first.
        judgements, variants, samples: tables of the select phase.
        metrics: the metric each benchmark task is read by.

    Returns:
        Family to its concrete edit (None where no candidate was good enough), and a table
        ``model, family, place, variant, harmful_refused, harmful_rise, benign_rise, benchmark_loss, strength, layer, picked,
        reason``.
    """
    harmful, harmless = config.extraction.harmful, config.extraction.harmless
    judged = judgements[judgements["judge"] == config.judges[0]]
    refused = judged.assign(refused=judged["label"].isin(REFUSED)).groupby(["variant", "set"])["refused"].mean()
    utility = benchmark_means(samples, metrics)
    selected: dict[str, LowRankSpec | None] = {}
    rows = []
    for family in generated_families(config, subject):
        places = variants[(variants["family"] == family.name)].sort_values("place")
        table = pd.DataFrame(
            {
                "model": subject.id,
                "family": family.name,
                "place": places["place"],
                "variant": places["variant"],
                "harmful_refused": [refused[name, harmful] for name in places["variant"]],
                "harmful_rise": [refused[name, harmful] - refused["base", harmful] for name in places["variant"]],
                "benign_rise": [refused[name, harmless] - refused["base", harmless] for name in places["variant"]],
                "benchmark_loss": [
                    utility.get("base", float("nan")) - utility.get(name, float("nan")) for name in places["variant"]
                ],
                "strength": places["strength"],
                "layer": places["layer"],
            }
        )
        place, reason = pick(table, config.rosi.max_benign_rise, config.rosi.max_benchmark_loss)
        selected[family.name] = None if place is None else shortlist[family.name][place - 1]
        rows.append(table.assign(picked=table["place"] == place, reason=reason))
    return selected, pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=COLUMNS)


def benchmark_means(samples: pd.DataFrame, metrics: dict[str, str]) -> dict[str, float]:
    """Mean over tasks of each variant's score; tasks count equally.

    Args:
        metrics: the metric each task is read by.
    """
    if samples.empty:
        return {}
    value = [row[metrics[row["task"]]] for row in samples.to_dict("records")]
    return samples.assign(value=value).groupby(["variant", "task"])["value"].mean().groupby("variant").mean().to_dict()
