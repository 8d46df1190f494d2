"""From what the shortlists did on the select split to one pick a family."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.spec import LowRankSpec
from anatomy.recipes.rosi.families import generated_families
from anatomy.recipes.rosi.limits import intervals_of, mean_loss
from anatomy.recipes.rosi.rules import pick
from anatomy.statistics.intervals import Interval

PINS: tuple[str, ...] = ("scipy",)

REFUSED = ("full", "partial")
COLUMNS = [
    "model",
    "family",
    "place",
    "variant",
    "harmful_refused",
    "harmful_rise",
    "harmful_rise_low",
    "harmful_rise_high",
    "benign_rise",
    "benign_rise_low",
    "benign_rise_high",
    "benchmark_loss",
    "benchmark_loss_low",
    "benchmark_loss_high",
    "n_harmful",
    "n_benign",
    "strength",
    "layer",
    "sign",
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
        Family to its concrete edit (None where no candidate was good enough), and a row a candidate (``COLUMNS``): what it
        brought and cost against the unedited model, with intervals, and why it was or was not picked.
    """
    read = Select(config, judgements, samples, metrics)
    selected: dict[str, LowRankSpec | None] = {}
    tables = []
    for family in generated_families(config, subject):
        places = variants[variants["family"] == family.name].sort_values("place")
        selected[family.name] = None
        if places.empty:
            continue
        rows = [
            {
                "model": subject.id,
                "family": family.name,
                **{name: row[name] for name in ("place", "variant", "strength", "layer", "sign")},
                **read.of(str(row["variant"])),
            }
            for row in places.to_dict("records")
        ]
        table = pd.DataFrame(rows)
        held_to = inf if family.control else config.rosi.max_benchmark_loss
        place, reasons = pick(table, config.rosi.max_benign_rise, held_to)
        if place is not None:
            selected[family.name] = shortlist[family.name][place - 1]
        tables.append(table.assign(picked=table["place"] == place, reason=reasons))
    return selected, pd.concat(tables, ignore_index=True)[COLUMNS] if tables else pd.DataFrame(columns=COLUMNS)


class Select:
    """What a variant brought and cost on the select split, item by item against the unedited model."""

    def __init__(self, config: Config, judgements: pd.DataFrame, samples: pd.DataFrame, metrics: dict[str, str]) -> None:
        judged = judgements[judgements["judge"] == config.judges[0]]
        refused = judged.assign(refused=judged["label"].isin(REFUSED).astype(np.float64))
        self.wanted, self.samples, self.metrics = config.statistics, samples, metrics
        self.sides = {
            side: refused[refused["set"] == name].pivot_table(index=["group", "id"], columns="variant", values="refused")
            for side, name in (("harmful", config.extraction.harmful), ("benign", config.extraction.harmless))
        }

    def of(self, variant: str) -> dict[str, float]:
        """Rises in refusals and the loss on benchmarks, with their bounds."""
        found: dict[str, float] = {"harmful_refused": float(self.sides["harmful"][variant].mean())}
        for side, table in self.sides.items():
            both = table[["base", variant]].dropna()
            change = (both[variant] - both["base"]).to_numpy(np.float64)
            (interval,) = intervals_of(change[None], both.index.get_level_values("group").to_numpy(object), self.wanted)
            found |= {**_bounds(f"{side}_rise", interval), f"n_{side}": len(both)}
        return found | _bounds("benchmark_loss", self.loss(variant))

    def loss(self, variant: str) -> Interval:
        """Mean loss over benchmarks; NaN for a variant that took none."""
        tasks = [] if self.samples.empty else sorted(self.samples.loc[self.samples["variant"] == variant, "task"].unique())
        scores = [
            self.samples[self.samples["task"] == task].pivot_table(index="id", columns="variant", values=self.metrics[task])
            for task in tasks
        ]
        both = [table[["base", variant]].dropna() for table in scores if "base" in table]
        if not both:
            return Interval(nan, nan, nan, 0, 0)
        return mean_loss([table["base"] for table in both], [table[variant] for table in both], self.wanted)


def _bounds(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
