"""Everything measured of a pair's test texts, with intervals: what stands beside every detector's number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.models.card import ModelCard
from anatomy.models.machine.devices import device_name
from anatomy.models.scorer import Scorer, open_scorer
from anatomy.progress.counting import Progress
from anatomy.recipes.pasta.judging import ACCURACY, OPENED, REFUSED, STYLE, refusal_judge
from anatomy.recipes.pasta.stages.instruments import measured_texts
from anatomy.recipes.pasta.stages.measures_table import ALL, measures_table
from anatomy.recipes.pasta.stages.pairwise import pairwise_summary
from anatomy.stages.utility import main_metric
from anatomy.texts.affinity.features import ModelFeatures
from anatomy.texts.affinity.measures import Embed
from anatomy.texts.affinity.table import affinity_summary, affinity_table, agreement, fit_affinities, mauve_summary
from anatomy.texts.authors import HUMAN
from anatomy.texts.detectors.perplexity import continuation_nats
from anatomy.texts.detectors.table import detection_summary, detections_of
from anatomy.texts.diversity.style_markers import StyleMarkers
from anatomy.texts.diversity.table import diversity_summary, style_summary, style_table
from anatomy.texts.judges.verdict import KEYS

PINS: tuple[str, ...] = ("sacrebleu", "scikit-learn", "scipy", "torch", "transformers")
NOT_PINNED = {
    "lm_eval": "imported for the name of a task's metric",
    "vllm": "an engine is imported with what serves either way; these rows come from transformers",
    "peft": "imported with the detectors, of which only the cutting of texts is used",
}

LENGTHS = ("words", "sentences")
KEY = ["model", "variant"]


class Resampled(TypedDict):
    """How intervals are resampled, as every summary takes it."""

    confidence: float
    seed: int
    resamples: int


@dataclass(frozen=True)
class PairTables:
    """Tables of a base and an aligned model, one below the other.

    Attributes:
        completions, variants, judgements, detectors: of the test phase.
        fit: completions of the fit phase: the humans among them are the reference of affinity.
        samples: benchmarks of the aligned model's variants that take them.
        pairwise: verdicts on edited against unedited texts; None where nobody was asked.
    """

    completions: pd.DataFrame
    variants: pd.DataFrame
    fit: pd.DataFrame
    judgements: pd.DataFrame
    detectors: pd.DataFrame
    samples: pd.DataFrame
    pairwise: pd.DataFrame | None = None


def text_measures(
    config: Config, subject: Subject, tables: PairTables, base: ModelCard, markers: StyleMarkers, say: Callable[[str], None]
) -> dict[str, pd.DataFrame]:
    """Measure the texts of humans, base and aligned model, with every variant and control.

    Affinity is to the humans of the fit split, whose prefixes nobody here continues; vectors of texts are the base's, and so is
    the perplexity (of the text after its prefix).

    Args:
        subject: the aligned model.
        base: the base's card.
        markers: of style.

    Returns:
        ``measures`` (``anatomy.recipes.pasta.stages.measures_table``) and ``agreement``: rank correlation of each two affinities
        over variants and domains, columns ``model, first, second, spearman, n``.
    """
    texts, fit = (measured_texts(config, table, subject.is_organism) for table in (tables.completions, tables.fit))
    scorer = _scorer(base)
    sampled: Resampled = {
        "confidence": config.statistics.confidence,
        "seed": config.statistics.seed,
        "resamples": config.statistics.bootstrap,
    }
    say(f"{len(texts)} texts of {len(texts.drop_duplicates(KEY))} variants")
    progress = Progress("kinds of measures", 4, whole=True)
    with progress.part():
        affinities = _affinities(config, texts, fit, scorer, sampled, say)
    with progress.part():
        style = style_summary(style_table(texts, markers), **sampled)
    lengths = style["measure"].isin(LENGTHS)
    with progress.part():
        diversity = diversity_summary(
            texts, confidence=sampled["confidence"], seed=sampled["seed"], cut=config.pasta.diversity_words
        )
    requests = _requests(config, tables, sampled)
    with progress.part():
        quality = _quality(config, texts, scorer, sampled)
    summaries = {
        "detector": _detection(tables.detectors, sampled),
        "affinity": affinities,
        "diversity": diversity,
        "style": pd.concat([style[~lengths], requests["style"]]),
        "quality": pd.concat(
            [
                style[lengths],
                quality,
                requests["quality"],
                _benchmarks(tables.samples, sampled),
                _compared(tables.pairwise, sampled),
            ]
        ),
        "safety": requests["safety"],
    }
    every = measures_table(subject.id, summaries, tables.variants)
    partial = _partial(texts, every)
    ours = every[(every["kind"] == "affinity") & ~partial].rename(columns={"value": "estimate"})
    agreed = agreement(ours[ours["measure"] != "mauve"], by=(*KEY, "domain"))
    return {"measures": every[~partial].reset_index(drop=True), "agreement": agreed.assign(model=subject.id)}


def _affinities(
    config: Config, texts: pd.DataFrame, fit: pd.DataFrame, scorer: Scorer, sampled: Resampled, say: Callable[[str], None]
) -> pd.DataFrame:
    fit = fit[fit["degenerate"] == ""]
    human = fit[fit["variant"] == HUMAN]
    embed = _remembered(ModelFeatures(scorer, config.pasta.token_budget, leading_space=True))
    measures = fit_affinities(human, list(fit["response"]), embed)
    if few := sorted(set(texts["category"]) - set(measures)):
        say(f"too few human texts in the fit split for an affinity in {', '.join(few)}: excluded and counted")
    single = affinity_summary(affinity_table(texts, measures, human), **sampled)
    # MAUVE depends on the number of texts: variants of one domain alone would not compare.
    domains = texts.groupby(KEY)["category"].transform("nunique") == texts["category"].nunique()
    sets = mauve_summary(texts[domains], human, embed, confidence=sampled["confidence"], seed=sampled["seed"])
    return pd.concat([single, sets], ignore_index=True)


def _detection(detectors: pd.DataFrame, sampled: Resampled) -> pd.DataFrame:
    """Each detector's probability, verdict and own number as three measures."""
    found = detection_summary(detections_of(detectors), **sampled)
    ends = {"machine": "", "flagged": "_flagged", "score": "_score"}
    return found.assign(measure=found["detector"] + found["measure"].map(ends))


def _quality(config: Config, texts: pd.DataFrame, scorer: Scorer, sampled: Resampled) -> pd.DataFrame:
    """Share of degenerate texts, and perplexity under the base: the exponential of the mean over texts of their mean nats."""
    fit = texts["degenerate"] == ""
    nats = continuation_nats(scorer, list(texts["prompt"]), list(texts["response"].where(fit, "")), config.pasta.token_budget)
    one = texts[[*KEYS, "group", "category"]]
    summary = affinity_summary(
        pd.concat([one.assign(measure="degenerate", score=(~fit).astype(float)), one.assign(measure="perplexity", score=nats)]),
        **sampled,
    )
    logs = summary["measure"] == "perplexity"
    for column in ("estimate", "low", "high"):
        summary.loc[logs, column] = np.exp(summary.loc[logs, column])
    return summary


def _requests(config: Config, tables: PairTables, sampled: Resampled) -> dict[str, pd.DataFrame]:
    """What judges say of answers to requests: refusal of harmful and of benign ones, and, on the organism, whether answers to
    benign ones are right (``accuracy``) and still open in the taught style (``requests_opened``)."""
    judged, evaluation = tables.judgements, config.evaluation
    refused = judged[judged["judge"] == refusal_judge(config)]
    refused = refused.assign(score=refused["label"].isin(REFUSED).astype(float).where(~refused["parse_failure"]))
    style = judged[judged["judge"] == STYLE]
    wanted = {
        "safety": {"refusal": (refused, evaluation.harmful), "over_refusal": (refused, evaluation.benign)},
        "quality": {"accuracy": (judged[judged["judge"] == ACCURACY], evaluation.benign)},
        "style": {"requests_opened": (style.assign(score=(style["label"] == OPENED).astype(float)), evaluation.benign)},
    }
    found = {}
    for kind, measures in wanted.items():
        rows = [table[table["set"] == name].assign(measure=measure) for measure, (table, name) in measures.items()]
        summary = affinity_summary(pd.concat(rows).assign(category=""), **sampled)
        found[kind] = summary[summary["category"] == ALL]
    return found


def _benchmarks(samples: pd.DataFrame, sampled: Resampled) -> pd.DataFrame:
    """Mean of each task's main metric, as ``benchmark:<task>``."""
    scores = [row[main_metric(row["task"])] for _, row in samples.iterrows()]
    summary = affinity_summary(samples.assign(score=scores, category="", measure="benchmark:" + samples["task"]), **sampled)
    return summary[summary["category"] == ALL]


def _compared(verdicts: pd.DataFrame | None, sampled: Resampled) -> pd.DataFrame | None:
    return None if verdicts is None or verdicts.empty else pairwise_summary(verdicts, **sampled)


def _partial(texts: pd.DataFrame, measures: pd.DataFrame) -> pd.Series:
    """Rows over all domains of variants that answered in some: they would not compare."""
    domains = texts.groupby(KEY)["category"].nunique()
    few = set(domains.index[domains < texts["category"].nunique()])
    return (measures["domain"] == ALL) & pd.Series(
        [key in few for key in zip(measures["model"], measures["variant"], strict=True)], index=measures.index
    )


def _scorer(card: ModelCard) -> Scorer:
    return open_scorer(Path(card["folder"]), getattr(torch, card["dtype"]), device_name())


def _remembered(embed: Embed) -> Embed:
    """Vectors of texts, each computed once: variants share many texts, and MAUVE asks for the humans' again and again."""
    known: dict[str, Float[np.ndarray, " feature"]] = {}

    def remembered(texts: Sequence[str]) -> Float[np.ndarray, "text feature"]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, embed(new), strict=True) if new else ())
        return np.stack([known[text] for text in texts])

    return remembered
