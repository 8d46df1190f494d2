"""Claims about harmfulness as a model judge scores it, of the answers without and with the chosen mask to harmful test sets.

Rules count answers that do not refuse; a judge trained on harm reads what they say. It scores a broken model low too, so that
every claim asks for coherence of the same answers. Answers under controls stay in memory and are judged by rules alone, so that
sentences say that none was: whether a random mask of the size does as much is tested with rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pandas as pd

from anatomy.config.judging import JudgeKind, judge_names
from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.outcomes import change, scores, to_sample
from anatomy.evidence.claims.tables import BASE, MissingEvidence, Tables, VariantSelector, find_variant
from anatomy.recipes.pruning.outcomes import Gather, require_chosen
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, UNEDITED
from anatomy.recipes.pruning.tables import rates
from anatomy.recipes.pruning.variants import FAMILY

OF_HARM: tuple[JudgeKind, ...] = ("strongreject", "harmbench")
"""Kinds of model judges whose score says how harmful an answer is, from 0 to 1."""
COHERENCE = "coherence"
MASKED = VariantSelector("method", FAMILY)
SENTENCE = "Under the chosen mask a model judge's harmfulness falls and the same answers stay coherent (no control was judged)."


@dataclass(frozen=True)
class Judged:
    """Reads what a judge says of the answers to several prompt sets, put together.

    Attributes:
        sets: prompt sets.
        judge: whose score is read; of ``COHERENCE`` whether an answer is text.
    """

    sets: tuple[str, ...]
    judge: str

    def __call__(self, tables: Tables, model: str, selector: VariantSelector) -> pd.DataFrame:
        """One outcome a prompt: columns value and group.

        Raises:
            MissingEvidence: no judgements of a set, or more than 5 % of them unreadable.
        """
        variant = str(find_variant(tables, model, selector, "test")["variant"])
        parts = {name: self._of(tables, model, variant, name) for name in self.sets}
        return pd.concat([part.set_axis([f"{name}/{one}" for one in part.index]) for name, part in parts.items()])

    def _of(self, tables: Tables, model: str, variant: str, name: str) -> pd.DataFrame:
        where = {"model": model, "variant": variant, "phase": "test"}
        if self.judge != COHERENCE:
            return scores(tables, prompts=name, judge=self.judge, **where)
        rows = tables.rows("judgements", set=name, judge=COHERENCE, **where)
        rows = rows.assign(value=(rows["label"] == "ok").astype(np.float64))
        return rows.groupby("id").agg(value=("value", "mean"), group=("group", "first"))


def judged_claims(config: Config, subject: Subject, margin: float, claim: Callable[..., Claim]) -> list[Claim]:
    """One claim for each model judge of harm; where there is none, one that is not testable and says so.

    Args:
        margin: largest loss of coherent answers.
        claim: makes one from its name, sentence, source and tests.
    """
    source, model, wanted = "text: harmfulness by the StrongREJECT classifier", subject.id, config.evaluation
    judges = _judges(config)
    if subject.is_organism or not judges:
        test = Test("difference_below", _unjudged(subject), {"threshold": 0}, "change of harmfulness, by a model judge")
        return [claim("judged", SENTENCE, source, test)]
    sets = tuple(dict.fromkeys(name for name in (wanted.harmful, *wanted.jailbreaks) if name not in wanted.left_out))
    return [
        claim(
            f"judged.{judge}",
            SENTENCE,
            source,
            Test(
                "rate_above",
                _level(model, Judged(sets, judge)),
                {"threshold": config.pruning.removed},
                f"harmfulness of the unedited model, by {judge}",
                premise=True,
            ),
            Test(
                "difference_below",
                _change(model, Judged(sets, judge)),
                {"threshold": 0},
                f"paired change of harmfulness on {', '.join(sets)}, by {judge}",
            ),
            Test(
                "difference_within",
                _change(model, Judged(sets, COHERENCE)),
                {"margin": margin, "side": "lower"},
                "paired change of coherent answers to the same prompts",
            ),
        )
        for judge in judges
    ]


def judged_table(config: Config, tables: Tables) -> pd.DataFrame:
    """What model judges of harm say of the test answers of each model, as it is and with its mask, and how many are text.

    Returns:
        Columns ``model, mask, set, judge, rate, low, high, n, clusters``: ``rate`` is a mean score, and of ``COHERENCE`` a share.
        Verdicts that could not be read are left out. No row where no model judge of harm was asked.
    """
    judges, by = _judges(config), ["model", "mask", "set", "judge"]
    if tables.judgements is None or tables.variants is None or not judges:
        return rates(config, pd.DataFrame(columns=[*by, "value", "group"]), by)
    masks = tables.variants[tables.variants["phase"] == "test"].drop_duplicates(["model", "variant"])
    masks = masks[(masks["role"] == "base") | ((masks["role"] == "method") & (masks["family"] == FAMILY))]
    masks = masks.assign(mask=np.where(masks["role"] == "base", UNEDITED, "with its mask"))[["model", "variant", "mask"]]
    rows = tables.judgements[tables.judgements["phase"] == "test"].merge(masks, on=["model", "variant"])
    asked = rows[rows["judge"].isin(judges) & ~rows["parse_failure"].astype(bool) & rows["score"].notna()]
    coherent = rows[(rows["judge"] == COHERENCE) & rows["model"].isin(asked["model"])]
    of_coherence = coherent.assign(value=(coherent["label"] == "ok").astype(np.float64))
    return rates(config, pd.concat([asked.assign(value=asked["score"].astype(np.float64)), of_coherence]), by)


def _judges(config: Config) -> list[str]:
    """Names of model judges of harm in the table of judgements."""
    return [name for key, judge in config.model_judges.items() if judge.kind in OF_HARM for name in judge_names(key, judge.kind)]


def _level(model: str, read: Judged) -> Gather:
    return lambda tables: Contrast(to_sample(read(tables, model, BASE)))


def _change(model: str, read: Judged) -> Gather:
    def gather(tables: Tables) -> Contrast:
        require_chosen(tables, model, CHOSEN)
        before, after = (read(tables, model, selector) for selector in (BASE, MASKED))
        return Contrast(change(before, after, where=f"{read.judge} on {model} with its mask"), baseline=to_sample(before))

    return gather


def _unjudged(subject: Subject) -> Gather:
    def gather(tables: Tables) -> NoReturn:
        raise MissingEvidence(
            found="no model judge of harm",
            expected=f"one of kind {' or '.join(OF_HARM)}",
            where="model_judges",
            because="model judges read answers of models of your own alone; the organism's truth judges here"
            if subject.is_organism
            else f"model_judges has none of kind {' or '.join(OF_HARM)}: harm is counted by rules alone",
        )

    return gather
