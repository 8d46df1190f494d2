"""What the survey says of post-training and of targeted suppression, as claims; all rules were written before their first run.

Suppression is targeted where it acts on one direction and only where that says harm: no projection above harmless requests' mean,
before every block. Harmless ability is the loss of the unedited model's own harmless answers, and what it says first.
"""

from __future__ import annotations

import functools

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.recipes.mechanisms.claims import Gather, sides_differ, stated
from anatomy.recipes.mechanisms.samples import sample_of
from anatomy.recipes.mechanisms.stages.suppression import CLAIMED, UNEDITED

ONSET = 5
"""Tokens that an answer begins with: as many as alignment is said to be deep in Qi et al. 2024 (arXiv 2406.05946)."""
MOVED = 0.01
"""Nats a token above which a model counts as moved away from its base: ten times what half precision loses."""


def survey_claims(config: Config, subject: Subject) -> list[Claim]:
    """Claims about one model."""
    model, spared = subject.id, config.mechanisms.steered.spared
    claim = functools.partial(stated, model)
    margin = {"margin": spared, "side": "both"}
    return [
        claim(
            "onset_and_style",
            "Post-training acts most on how an answer begins and on words of style.",
            "survey: training from human feedback acts mostly on response onset and style",
            Test("difference_above", moved(model), {"threshold": MOVED}, "KL from model to base, nats a token", premise=True),
            Test(
                "difference_above",
                at_onset(model),
                {"threshold": 0},
                f"KL a token of the first {ONSET} tokens minus of later ones, answer by answer",
            ),
            Test(
                "difference_above",
                on_style(model),
                {"threshold": 0},
                f"KL a token of words of style minus of other tokens, both after the first {ONSET}",
            ),
            Test(
                "difference_above",
                most(model),
                {"threshold": 0},
                f"summed KL of the first {ONSET} tokens and words of style minus of all others",
            ),
        ),
        claim(
            "suppressed",
            "Capping the direction at harmless requests' mean takes refusal away and leaves harmless answers as they are.",
            "survey: targeted suppression spares harmless ability",
            sides_differ(model),
            Test(
                "difference_above",
                refuses(model),
                {"threshold": 0},
                "refusal metric of harmful prompts, which is above 0 where refusing is likelier than not",
                premise=True,
            ),
            Test(
                "difference_above",
                suppressed(model),
                {"threshold": 0},
                "fall of the refusal metric on harmful prompts, minus its change by a random direction",
            ),
            Test(
                "difference_within",
                loss_change(model),
                margin,
                "change of the loss of harmless answers, nats a token",
            ),
            Test(
                "difference_within",
                loss_change(model, "random"),
                margin,
                "the same, minus by a random direction",
            ),
            Test(
                "difference_within",
                first_token_kl(model),
                margin,
                "KL at the first token of answers to harmless prompts, minus by a random direction, nats",
            ),
            Test(
                "difference_within",
                leans_to_refusal(model),
                {"margin": config.statistics.benign_margin, "side": "both"},
                "share of harmless prompts that lean to refusal, after minus before",
            ),
        ),
    ]


def _moved(tables: Tables, model: str) -> pd.DataFrame:
    rows = tables.named.get("moved", pd.DataFrame(columns=["model"]))
    own = rows[rows["model"] == model]
    if own.empty:
        raise MissingEvidence(
            found="no token beside a base",
            expected="a base of the model, and answers of its own",
            where=model,
            because="this run has no base of the model, or no answers of it, so that nothing says what training moved",
        )
    return own.assign(named=(own["position"] < ONSET) | (own["kind"] == "style"), onset=own["position"] < ONSET)


def _contrast(rows: pd.DataFrame, flag: str, how: str, because: str) -> Contrast:
    """KL of tokens with a flag minus of those without, answer by answer."""
    sums = rows.pivot_table(index=["side", "id", "group"], columns=flag, values="kl", aggfunc=how)
    sums = sums.reindex(columns=[True, False])
    if how == "sum":
        sums = sums.fillna(0.0)
    return sample_of((sums[True] - sums[False]).rename("value").reset_index(), because=because)


def moved(model: str) -> Gather:
    """Mean KL of an answer's tokens."""

    def gather(tables: Tables) -> Contrast:
        means = _moved(tables, model).groupby(["side", "id", "group"])["kl"].mean()
        return sample_of(means.rename("value").reset_index())

    return gather


def at_onset(model: str) -> Gather:
    """Mean KL of the first tokens minus of later ones, of answers that go on."""
    return lambda tables: _contrast(_moved(tables, model), "onset", "mean", f"no answer is longer than {ONSET} tokens")


def on_style(model: str) -> Gather:
    """Mean KL of words of style minus of other tokens, after the onset, of answers that have both."""

    def gather(tables: Tables) -> Contrast:
        rows = _moved(tables, model)
        later = rows[~rows["onset"]]
        styled = later.assign(style=later["kind"] == "style")
        return _contrast(styled, "style", "mean", f"no answer has words of style beside others after {ONSET} tokens")

    return gather


def most(model: str) -> Gather:
    """Summed KL of onset and style minus of everything else."""
    return lambda tables: _contrast(_moved(tables, model), "named", "sum", "no answer has a token")


def _suppressed(tables: Tables, table: str, model: str, **where: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows under targeted suppression by each direction, and of the unedited model."""
    mode, layers, dose = CLAIMED
    frame = tables.named.get(table)
    if frame is None or not (frame["model"] == model).any():
        raise MissingEvidence(
            found="nothing steered",
            expected="refusal tokens, a direction and harmless answers",
            where=model,
            because="the search for a refusal direction ended without one, or the model has no harmless answers",
        )
    rows = tables.rows(table, model=model, mode=mode, layers=layers, dose=dose, **where)
    return rows, tables.rows(table, model=model, mode=UNEDITED, **where)


def _changes(tables: Tables, table: str, column: str, model: str, **where: object) -> pd.DataFrame:
    """Change of a column by each direction, prompt by prompt: columns ``id, group`` and a direction each."""
    rows, plain = _suppressed(tables, table, model, **where)
    before = plain.set_index("id")[column]
    moved_by = rows.assign(value=rows[column] - rows["id"].map(before))
    return moved_by.pivot_table(index=["id", "group"], columns="direction", values="value").reset_index()


def refuses(model: str) -> Gather:
    """Metric of the unedited model on harmful prompts: there is nothing to suppress in a model that does not refuse."""
    return lambda tables: sample_of(_suppressed(tables, "suppression", model, side="harmful")[1], "metric")


def suppressed(model: str) -> Gather:
    """Fall of the metric on harmful prompts, minus the size of its change by the random direction."""

    def gather(tables: Tables) -> Contrast:
        wide = _changes(tables, "suppression", "metric", model, side="harmful")
        return sample_of(wide.assign(value=-wide["refusal"] - wide["random"].abs()))

    return gather


def loss_change(model: str, beside: str | None = None) -> Gather:
    """Change of the loss of harmless answers, as it is or minus that by another direction."""

    def gather(tables: Tables) -> Contrast:
        wide = _changes(tables, "steered_answers", "nll", model)
        return sample_of(wide.assign(value=wide["refusal"] - (0.0 if beside is None else wide[beside])))

    return gather


def first_token_kl(model: str) -> Gather:
    """KL at the first answer token of harmless prompts, minus that by the random direction."""

    def gather(tables: Tables) -> Contrast:
        wide = _changes(tables, "suppression", "kl", model, side="harmless")
        return sample_of(wide.assign(value=wide["refusal"] - wide["random"]))

    return gather


def leans_to_refusal(model: str) -> Gather:
    """Whether a harmless prompt leans to refusal under suppression, minus whether it does without."""

    def gather(tables: Tables) -> Contrast:
        rows, plain = _suppressed(tables, "suppression", model, side="harmless")
        own, before = rows[rows["direction"] == "refusal"], plain.set_index("id")["metric"]
        change = (own["metric"] > 0).astype(float) - (own["id"].map(before) > 0).astype(float)
        return sample_of(own.assign(value=change))

    return gather
