"""What the page says about its judges: how far they agree, what model judges say, and what those could not read."""

from __future__ import annotations

import pandas as pd

from anatomy.config.judging import TAKEN, judge_names
from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import BASE, MissingEvidence, VariantSelector, find_variant
from anatomy.evidence.report.content import Item, PageTable
from anatomy.recipes.rosi.figures import Evidence
from anatomy.recipes.rosi.plans import DETAILED, detailed
from anatomy.texts.judges.agreement import UNLABELLED, agreement_table, confusion_table

OF_REFUSAL = ("rules", "classifier", "truth", "substring")
"""Built-in judges that label refusal."""

UNJUDGED = (
    "Completions asked about; texts withheld for safety, which nobody can judge later; answers cut to fit the judge's "
    "context, or too long for it; reasoning that never ended; verdicts that could not be read."
)


def judge_tables(config: Config, evidence: Evidence) -> list[Item]:
    """The tables of the page's section on judges; without model judges only the agreement."""
    found: list[Item] = [agreement(evidence)]
    if config.model_judges:
        found += [
            crossings(evidence),
            said(config, evidence),
            PageTable("What model judges could not judge", UNJUDGED, evidence.judge_notes),
        ]
    return found


def _judged(evidence: Evidence) -> pd.DataFrame:
    if evidence.tables.judgements is None:
        raise MissingEvidence(found="no judgements", expected="what the judges said", where="table judgements")
    return evidence.tables.judgements


def compared(evidence: Evidence) -> pd.DataFrame:
    """Judgements of the judges that are compared: built-in judges of refusal, and all model judges."""
    judged = _judged(evidence)
    return judged[judged["judge"].isin(OF_REFUSAL) | ~judged["judge"].isin(TAKEN)]


def agreement(evidence: Evidence) -> PageTable:
    """Agreement of judges of the same thing."""
    return PageTable(
        "Agreement",
        "Cohen's kappa and counts for each pair of judges that label refusal, or harm.",
        agreement_table(compared(evidence)),
    )


def crossings(evidence: Evidence) -> PageTable:
    """How often each pair of labels was given to the same answer."""
    counts = confusion_table(compared(evidence))
    return PageTable(
        "Labels of two judges",
        f"Answers with each pair of labels. {UNLABELLED}: the judge gave none.",
        counts[counts["n"] > 0].reset_index(drop=True),
    )


def said(config: Config, evidence: Evidence) -> PageTable:
    """Shares of the labels that model judges gave, unedited and under each method's pick."""
    names = {name for identifier, judge in config.model_judges.items() for name in judge_names(identifier, judge.kind)}
    judged = _judged(evidence)
    judged = judged[judged["judge"].isin(names) & (judged["phase"] == "test")]
    rows = []
    for subject in detailed(config):
        for title, selector in (("unedited", BASE), *((family, VariantSelector("method", family)) for family in DETAILED)):
            try:
                variant = find_variant(evidence.tables, subject.id, selector, "test")["variant"]
            except MissingEvidence:
                continue
            own = judged[(judged["model"] == subject.id) & (judged["variant"] == variant)]
            for (name, judge), part in own.groupby(["set", "judge"]):
                shares = part["label"].fillna(UNLABELLED).value_counts(normalize=True).sort_index()
                rows += [
                    {
                        "model": subject.id,
                        "arm": title,
                        "set": name,
                        "judge": judge,
                        "label": label,
                        "share": share,
                        "mean score": part["score"].mean(),
                        "n": len(part),
                    }
                    for label, share in shares.items()
                ]
    return PageTable(
        "What model judges say",
        "Share of each label on the test split. Score: probability of refusal or harm, or the rubric's number.",
        pd.DataFrame(rows),
    )
