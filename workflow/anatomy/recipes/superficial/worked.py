"""Worked examples of a pair: what base, base with the head and aligned model answer, and where the aligned one differs.

Counterparts of tables 2, 8 and 9 of the paper.
"""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.tables import BASE as UNEDITED
from anatomy.evidence.claims.tables import MissingEvidence, Tables, find_variant
from anatomy.evidence.report.content import Exchange, Item, PageCompletions, PageTable
from anatomy.evidence.report.exchanges import pair_completions
from anatomy.recipes.superficial.gains import selector_of
from anatomy.recipes.superficial.pairs import POOLED, Pair
from anatomy.recipes.superficial.stages.diagnostics import BASE

PHASE = "test"
LIMIT = 3
"""Examples of a set; the paper has three in all."""
SIDES = ("base", "with the head", "aligned")
COLUMNS = ["model", "set", "id", "shifts", "changed"]
CHANGED = (
    "Of each example: at how many tokens of the aligned model's answer its likeliest token is not the base's, and what is put in "
    "place of what, in order."
)


def worked_examples(config: Config, pair: Pair, evidence: Tables) -> list[Item]:
    """Answers of a pair side by side, set by set, and the shift tokens of the aligned ones."""
    if not config.report.examples:
        return []
    try:
        completions, judgements = _beside(evidence, pair)
    except MissingEvidence:
        return []
    items: list[Item] = []
    own = next(subject for subject in subjects(config) if subject.id == pair.aligned)
    shown: list[tuple[str, Exchange]] = []
    for name in config.evaluation.pair:
        found = pair_completions(
            completions,
            judgements,
            model=pair.aligned,
            prompts=name,
            variants=list(SIDES),
            judge=config.judges[0],
            phase=PHASE,
            show_all=own.is_organism or config.report.show_answers,
            limit=min(LIMIT, config.report.examples),
        )
        shown += [(name, exchange) for exchange in found]
        if found:
            items.append(PageCompletions(f"Worked examples, {pair.aligned}: {name.replace('_', ' ')}", "", list(SIDES), found))
    rows = evidence.rows("shifts", model=pair.aligned, head=BASE)
    changed = [_changed(rows, pair, name, exchange) for name, exchange in shown if not exchange.answers[-1].redacted]
    if changed:
        items.append(PageTable(f"Shift tokens of the examples, {pair.aligned}", CHANGED, pd.DataFrame(changed, columns=COLUMNS)))
    return items


def _beside(evidence: Tables, pair: Pair) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Completions and judgements of the sides under the aligned model's name, each as a variant.

    Raises:
        MissingEvidence: a side has not answered.
    """
    head = selector_of(evidence, pair, f"{pair.label}-{POOLED}", PHASE)
    found: dict[str, list[pd.DataFrame]] = {"completions": [], "judgements": []}
    for side, model, selector in zip(SIDES, (pair.base, pair.base, pair.aligned), (UNEDITED, head, UNEDITED), strict=True):
        variant = find_variant(evidence, model, selector, PHASE)["variant"]
        for table, parts in found.items():
            parts.append(evidence.rows(table, model=model, variant=variant).assign(model=pair.aligned, variant=side))
    return pd.concat(found["completions"], ignore_index=True), pd.concat(found["judgements"], ignore_index=True)


def _changed(shifts: pd.DataFrame, pair: Pair, name: str, exchange: Exchange) -> dict[str, object]:
    own = shifts[(shifts["set"] == name) & (shifts["id"] == exchange.id)].sort_values("position")
    pairs = zip(own["source"], own["target"], strict=True)
    told = [f"{_readable(source)} → {_readable(target)}" for source, target in pairs]
    return {"model": pair.aligned, "set": name, "id": exchange.id, "shifts": len(own), "changed": "; ".join(told)}


def _readable(token: str) -> str:
    """A token without the space before it; one that is nothing but spaces in quotes."""
    return token.strip() or repr(token)
