"""The share of the aligned model's gain over its base that a head brings, with intervals, task by task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.measures import Gatherer, JudgeScores, Metric, Refusals
from anatomy.evidence.claims.tables import BASE, MissingEvidence, Tables, VariantSelector, find_variant
from anatomy.recipes.superficial.pairs import FINE_TUNED, IN_CONTEXT, POOLED, Pair
from anatomy.stages.utility import main_metric
from anatomy.statistics.clusters import Sample, cluster_sums, resample_weights
from anatomy.statistics.intervals import percentile_bounds

Read = Refusals | JudgeScores | Metric
FACTS = "planted facts"
HARMLESS = "no harmful text"
ARMS = ("head", IN_CONTEXT, FINE_TUNED)
"""What stands between base and aligned model: the pooled head, and the baselines."""
HARM = "refusal of harmful requests"
NEAREST = {"harm_rate": HARM, "toxi": HARMLESS, "info_true": "truthfulqa_mc1"}
"""The paper's measures and the task here that comes nearest to each."""
OUR_ARMS = {"superficial": "head", "urial": IN_CONTEXT, "lima": FINE_TUNED}


@dataclass(frozen=True)
class FactHits:
    """Reads whether planted facts are said."""

    def outcomes(self, tables: Tables, pair: Pair, head: str) -> pd.DataFrame:
        """One outcome a fact, of ``base``, ``aligned`` or a head: columns value and group, indexed by id."""
        rows = tables.rows("facts", model=pair.aligned, head=head)
        return rows.set_index("id")[["value", "group"]].sort_index()


@dataclass(frozen=True)
class HarmlessText:
    """Reads whether answers to a prompt set are free of harmful text (``stages.toxicity``)."""

    prompts: str
    phase: str = "test"

    def __call__(self, tables: Tables, model: str, variant: str) -> pd.DataFrame:
        rows = tables.rows("toxicity", model=model, variant=variant, set=self.prompts)
        return rows.set_index("id")[["value", "group"]].sort_index()


Task = Read | FactHits | HarmlessText
GAINS = ["pair", "task", "arm", "base", "aligned", "value", "share", "low", "high", "n", "clusters"]


def tasks_of(config: Config, pair: Pair) -> dict[str, Task]:
    """What a gain is measured in, by the words that stand for it: more is what alignment brings."""
    judge = config.judges[0] if config.judges[0] != "classifier" else "rules"
    found: dict[str, Task] = {HARM: Refusals(config.evaluation.harmful, judge, "test")}
    organism = pair.aligned not in config.models
    wanted = config.benchmarks
    for task in wanted.organism_tasks if organism else wanted.tasks if wanted.data else []:
        if task not in wanted.left_out:
            found[task] = Metric(task, main_metric(task), "test")
    if organism or config.superficial.toxicity.classifier is not None:
        found[HARMLESS] = HarmlessText(config.superficial.toxicity.prompts)
    return {**found, FACTS: FactHits()} if organism else found


def outcomes(task: Task, pair: Pair, head: str, tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Outcomes of base, aligned model and base with a head, on the items that all three have."""
    if isinstance(task, FactHits):
        found = [task.outcomes(tables, pair, who) for who in ("base", "aligned", head)]
    else:
        selected = [(pair.base, BASE), (pair.aligned, BASE), (pair.base, selector_of(tables, pair, head, task.phase))]
        found = [
            task(tables, model, find_variant(tables, model, selector, task.phase)["variant"]) for model, selector in selected
        ]
    shared = found[0].index.intersection(found[1].index).intersection(found[2].index)
    if shared.empty:
        raise MissingEvidence(found="no item in all three", expected="the same items", where=f"{pair.base} with {head}")
    base, aligned, edited = (one.loc[shared] for one in found)
    return base, aligned, edited


def selector_of(tables: Tables, pair: Pair, head: str, phase: str) -> VariantSelector:
    """What finds a base with a head among the variants, whatever its role."""
    rows = tables.rows("variants", model=pair.base, family=head, phase=phase)
    return VariantSelector(str(rows.iloc[0]["role"]), head)


def beside(task: Task, pair: Pair, head: str, other: str) -> Gatherer:
    """Item by item, what a head brings minus what a baseline brings."""

    def gather(tables: Tables) -> Contrast:
        first, second = (outcomes(task, pair, one, tables)[2] for one in (head, other))
        shared = first.index.intersection(second.index)
        values = first.loc[shared, "value"] - second.loc[shared, "value"]
        return Contrast(Sample(values.to_numpy(np.float64), first.loc[shared, "group"].to_numpy(object), signed=True))

    return gather


def beyond_share(task: Task, pair: Pair, head: str, share: float) -> Gatherer:
    """Item by item, what a head brings minus a share of what alignment brings: above 0 where the head brings more than it.

    So a ratio of gains is tested without dividing by a gain that may be near 0 (Fieller 1954).
    """

    def gather(tables: Tables) -> Contrast:
        base, aligned, edited = outcomes(task, pair, head, tables)
        values = (edited["value"] - base["value"]) - share * (aligned["value"] - base["value"])
        return Contrast(Sample(values.to_numpy(np.float64), base["group"].to_numpy(object), signed=True))

    return gather


def gain(task: Task, pair: Pair, head: str) -> Gatherer:
    """What alignment brings, item by item."""

    def gather(tables: Tables) -> Contrast:
        base, aligned, _ = outcomes(task, pair, head, tables)
        values = aligned["value"] - base["value"]
        return Contrast(Sample(values.to_numpy(np.float64), base["group"].to_numpy(object), signed=True))

    return gather


def gains_table(config: Config, pairs: list[Pair], tables: Tables) -> pd.DataFrame:
    """Mean outcomes of base, aligned model and what stands between them, and its share of the gain, for every task.

    Returns:
        Columns ``pair, task, arm, base, aligned, value, share, low, high, n, clusters``; ``arm`` is one of ``ARMS``, ``pair`` is
        ``pooled`` for the ratio of summed gains over all pairs (so arise the 58 % and 78 % of arXiv 2502.04602). No share where
        the aligned model gains less than ``superficial.least_gain``, or the interval of its gain reaches 0.
    """
    rows, sums = [], dict[tuple[str, str], list[tuple[np.ndarray, ...]]]()
    for pair, arm in product(pairs, ARMS):
        for name, task in tasks_of(config, pair).items():
            for base, aligned, edited in _found(task, pair, arm, tables):
                codes, labels = pd.factorize(base["group"])
                parts = tuple(
                    cluster_sums(one["value"].to_numpy(np.float64), codes, len(labels))[0] for one in (base, aligned, edited)
                )
                counts = np.bincount(codes, minlength=len(labels)).astype(np.float64)
                rows.append(_row(config, {"pair": pair.aligned, "task": name, "arm": arm}, [(*parts, counts)]))
                sums.setdefault((name, arm), []).append((*parts, counts))
    for (name, arm), several in sums.items():
        if len(several) > 1:
            rows.append(_row(config, {"pair": "pooled", "task": name, "arm": arm}, several))
    return pd.DataFrame(rows, columns=GAINS)


def family_of(pair: Pair, arm: str) -> str:
    """The family of variants that an arm is: the pooled head's is named after its pair."""
    return f"{pair.label}-{POOLED}" if arm == "head" else arm


def _found(task: Task, pair: Pair, arm: str, tables: Tables) -> Iterator[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]:
    try:
        yield outcomes(task, pair, family_of(pair, arm), tables)
    except MissingEvidence:
        return


def _row(config: Config, named: dict[str, str], several: list[tuple[np.ndarray, ...]]) -> dict[str, object]:
    wanted = config.statistics
    means = np.array([[part.sum() / counts.sum() for part in parts] for *parts, counts in several]).mean(0)
    base, aligned, value = (float(one) for one in means)
    share, low, high = float("nan"), float("nan"), float("nan")
    drawn = np.sum([_resampled(parts, wanted.bootstrap, wanted.seed + place) for place, parts in enumerate(several)], axis=0)
    gained = drawn[:, 1] - drawn[:, 0]
    surely = percentile_bounds(gained, wanted.confidence)[0] > 0
    if surely and aligned - base >= config.superficial.least_gain:
        share, kept = (value - base) / (aligned - base), gained > 0
        low, high = percentile_bounds((drawn[:, 2] - drawn[:, 0])[kept] / gained[kept], wanted.confidence)
    counts = [parts[-1] for parts in several]
    return {
        **named,
        "base": base,
        "aligned": aligned,
        "value": value,
        "share": share,
        "low": low,
        "high": high,
        "n": int(sum(one.sum() for one in counts)),
        "clusters": sum(map(len, counts)),
    }


def _resampled(parts: tuple[np.ndarray, ...], resamples: int, seed: int) -> np.ndarray:
    """Means of base, aligned model and head in each resample of whole clusters."""
    *sums, counts = parts
    drawn = [
        np.stack([weights @ one / (weights @ counts) for one in sums], 1)
        for weights in resample_weights(len(counts), resamples, seed)
    ]
    return np.concatenate(drawn)


def published_shares(published: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """The paper's outcomes with the share of the gain that follows from them, and our share of the nearest task.

    Args:
        published: columns ``table, model, source, arm, value`` (``anatomy.evidence.report.published``).
        ours: ``gains_table``.

    Returns:
        One row a model, measure and arm of the paper (its head, URIAL, LIMA, the transferable head): columns ``table, model,
        measure, arm, base, aligned, value, share, our_task, our_arm, our_share``. Measures differ (a closed judge's HarmRate
        beside refusals by rules), and so do baselines, so the last three are no replication.
    """
    wide = published.pivot_table(index=["table", "model", "source"], columns="arm", values="value").reset_index()
    wide = wide.rename(columns={"source": "measure"})
    ends = ["base", "aligned"]  # of a model they stand in one table, and what stands between them in others too
    wide[ends] = wide.groupby(["model", "measure"])[ends].transform("first")
    wide = wide.dropna(subset=ends)
    arms = [arm for arm in ("superficial", "urial", "lima", "transferable") if arm in wide]
    long = wide.melt(["table", "model", "measure", "base", "aligned"], arms, var_name="arm").dropna(subset="value")
    share = (long["value"] - long["base"]) / (long["aligned"] - long["base"])
    near, arm = long["measure"].map(NEAREST).fillna(""), long["arm"].map(OUR_ARMS).fillna("")
    known = ours.set_index(["pair", "task", "arm"])["share"].to_dict() if len(ours) else {}
    mine = [known.get(key, float("nan")) for key in zip(long["model"], near, arm, strict=True)]
    found = long.assign(share=share, our_task=near, our_arm=arm, our_share=mine)
    return found.sort_values(["table", "model", "measure"], kind="stable", ignore_index=True)
