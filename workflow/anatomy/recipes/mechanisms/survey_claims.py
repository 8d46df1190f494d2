"""What the survey says of post-training and of targeted suppression, as claims; all rules were written before their first run.

Suppression is targeted where it acts on one direction and only where that says harm: no projection above harmless requests' mean,
before every block. What training moved is read in the model's template, which its base has never seen, and after bare prompts:
what is claimed has to hold in both. An answer is read as far as it was generated, so that sums over its tokens say how long it
is; shares of the divergence are compared with shares of the tokens instead. Harmless ability is the loss of the unedited model's
own harmless answers, and what it says first.
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
MOST = 0.5
"""Share of an answer's divergence above which it is most of it."""


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
            *onset_and_style(model, plain=False),
            *onset_and_style(model, plain=True),
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


def onset_and_style(model: str, *, plain: bool) -> list[Test]:
    """Tests that have to hold together, of answers as the model is spoken to or after the bare prompts (plain)."""
    heard = ", after the prompt without its template" if plain else ""
    asked = {
        f"KL a token of the first {ONSET} tokens minus of later ones, answer by answer": at_onset(model, plain),
        f"KL a token of words of style minus of other tokens, both after the first {ONSET}": on_style(model, plain),
        f"share of an answer's KL that the first {ONSET} tokens and words of style have, minus their share of its tokens as far "
        "as it was generated, of answers with other tokens too": beyond_even(model, plain),
        "share of the KL that they have, minus a half, of answers of which they are at most half": most(model, plain),
    }
    return [Test("difference_above", gather, {"threshold": 0}, said + heard) for said, gather in asked.items()]


def _moved(tables: Tables, model: str, plain: bool) -> pd.DataFrame:
    rows = tables.named.get("moved", pd.DataFrame(columns=["model"]))
    own = rows[rows["model"] == model]
    if own.empty:
        raise MissingEvidence(
            found="no token beside a base",
            expected="a base of the model, and answers of its own",
            where=model,
            because="this run has no base of the model, or no answers of it, so that nothing says what training moved",
        )
    spoken = "template" if not plain and (own["wording"] == "template").any() else "plain"
    own = own[own["wording"] == spoken]
    return own.assign(named=(own["position"] < ONSET) | (own["kind"] == "style"), onset=own["position"] < ONSET)


def _contrast(rows: pd.DataFrame, flag: str, because: str) -> Contrast:
    """Mean KL of tokens with a flag minus of those without, of answers that have both."""
    means = rows.pivot_table(index=["side", "id", "group"], columns=flag, values="kl", aggfunc="mean")
    means = means.reindex(columns=[True, False])
    return sample_of((means[True] - means[False]).rename("value").reset_index(), because=because)


def _shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Share of an answer's ``tokens`` and of its ``kl`` that onset and style have, of answers that have other tokens too.

    An answer that both models say alike has no share of KL.
    """
    answers = rows.assign(own=rows["kl"].where(rows["named"], 0.0)).groupby(["side", "id", "group"])
    sums = answers.agg(own=("own", "sum"), kl=("kl", "sum"), tokens=("named", "mean"))
    share = sums["own"] / sums["kl"].where(sums["kl"] > 0)
    return sums.assign(kl=share)[(sums["tokens"] > 0) & (sums["tokens"] < 1)].reset_index()


def moved(model: str) -> Gather:
    """Mean KL of an answer's tokens."""

    def gather(tables: Tables) -> Contrast:
        means = _moved(tables, model, plain=False).groupby(["side", "id", "group"])["kl"].mean()
        return sample_of(means.rename("value").reset_index())

    return gather


def at_onset(model: str, plain: bool) -> Gather:
    """Mean KL of the first tokens minus of later ones, of answers that go on."""
    return lambda tables: _contrast(_moved(tables, model, plain), "onset", f"no answer is longer than {ONSET} tokens")


def on_style(model: str, plain: bool) -> Gather:
    """Mean KL of words of style minus of other tokens, after the onset, of answers that have both."""

    def gather(tables: Tables) -> Contrast:
        rows = _moved(tables, model, plain)
        later = rows[~rows["onset"]]
        styled = later.assign(style=later["kind"] == "style")
        return _contrast(styled, "style", f"no answer has words of style beside others after {ONSET} tokens")

    return gather


def beyond_even(model: str, plain: bool) -> Gather:
    """Share of KL that onset and style have minus their share of tokens: 0 where divergence is even, however long answers are."""

    def gather(tables: Tables) -> Contrast:
        shares = _shares(_moved(tables, model, plain))
        return sample_of(shares.assign(value=shares["kl"] - shares["tokens"]), because="no answer has tokens of both kinds")

    return gather


def most(model: str, plain: bool) -> Gather:
    """Share of KL that onset and style have minus a half, where they are at most half of the tokens: no answer is too short."""

    def gather(tables: Tables) -> Contrast:
        shares = _shares(_moved(tables, model, plain))
        long = shares[shares["tokens"] <= MOST]
        return sample_of(long.assign(value=long["kl"] - MOST), because="onset and style are most of every answer's tokens")

    return gather


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
