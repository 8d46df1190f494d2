"""Sets of a model's own answers that are scored: harmful ones of some kinds, of each kind alone, and those of other abilities."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from anatomy.errors import DataError
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.answering import Answers, harmful_answers, refusing

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these answers come from transformers"}

POOLED, BENIGN, REFUSAL = "generation", "benign", "refusal"
FEWEST = 2
"""Answers below which a set is not scored."""


def kind_set(category: str) -> str:
    """Name of the set of one kind of harm."""
    return f"kind.{category}"


def scored_kinds(wanted: Pruning, prompts: pd.DataFrame) -> list[str]:
    """Kinds of harm whose answers are scored, and kinds that refusals alone are asked of.

    A set of one's own that asks for refusals has kinds by its own name: no harm of them is scored, tested or held back, so that
    they count with the scored ones wherever refusals do.

    Raises:
        DataError: one that no prompt has.
    """
    known = sorted(set(prompts.loc[(prompts["ability"] == POOLED) & (prompts["split"] == "fit"), "category"]))
    chosen = known if wanted.scored is None else wanted.scored
    if unknown := [kind for kind in chosen if kind not in known]:
        raise DataError(
            found=f"kind of harm {unknown[0]!r}",
            expected=f"one of {known}",
            where="pruning.scored",
            remedy="name categories of the prompts that ask for harm, or null for all",
        )
    asked = prompts.groupby("ability")["category"].agg(set)
    return [*chosen, *sorted(asked.get("refusal", set()) - asked.get(POOLED, set()))]


def require_prompts(prompts: pd.DataFrame, kinds: list[str], where: str) -> None:
    """Refuse (``DataError``) prompts of which a split has none to score, to choose a mask on or to test it on.

    Without harmful requests of the scored kinds in select the smallest mask would be chosen, whatever harm it leaves.

    Args:
        prompts: of every split (``abilities.COLUMNS``).
        where: which model's.
    """
    for ability in (POOLED, BENIGN):
        own = prompts[prompts["ability"] == ability]
        scored = own[own["category"].isin(kinds)] if ability == POOLED else own
        for split, rows, least in (("fit", scored, FEWEST), ("select", scored, 1), ("test", own, 1)):
            found = int((rows["split"] == split).sum())
            if found < least:
                raise DataError(
                    found=f"{found} prompts of {ability} in the split {split}"
                    + (f", of {', '.join(kinds)}" if rows is scored and ability == POOLED and kinds else ""),
                    expected=f"at least {least}",
                    where=f"pruning.sets, {where}",
                    remedy="give the prompt set rows of every split (prompt_sets.<name>.splits): masks are made on fit, chosen "
                    "on select and measured on test",
                )


def scored_sets(wanted: Pruning, answers: Answers, kinds: list[str], where: str) -> tuple[dict[str, Answers], int]:
    """Sets of answers by name: harm of the scored kinds, of each kind alone, benign, and of each other ability.

    What is asked of harmful things counts for the scored kinds alone, but in sets of one kind: the others are not seen before
    the test.
    """
    table = answers.table
    generation = answers.where((table["ability"] == POOLED).tolist())
    of_scored = generation.where(generation.table["category"].isin(kinds).tolist())
    _, refusals = harmful_answers(of_scored, wanted.refusals, where)
    harm, _ = harmful_answers(generation, 1.0, where)
    found = {POOLED: harm.where(harm.table["category"].isin(kinds).tolist())}
    for kind in sorted(set(harm.table["category"])):
        found[kind_set(kind)] = harm.where((harm.table["category"] == kind).tolist())
    seen = table["category"].isin(kinds) | ~table["harmful"]
    for ability in (BENIGN, "recognition", "explanation", "refusal"):
        found[ability] = answers.where(((table["ability"] == ability) & seen).tolist())
    found["refusal"] = found["refusal"].where(refusing(found["refusal"]))
    kept = {name: one for name, one in found.items() if len(one.texts) >= FEWEST}
    for name in (POOLED, BENIGN):
        if name not in kept:
            raise DataError(
                found=f"{len(found[name].texts)} answers of {name}",
                expected=f"at least {FEWEST} to score",
                where=where,
                remedy="give pruning.sets prompts in the split fit, which the model answers with words",
            )
    return kept, refusals


def kinds_without_a_set(prompts: pd.DataFrame, sets: Mapping[str, Answers]) -> list[str]:
    """Kinds of harm that prompts of fit ask for, of which too few answers gave it: no mask is made of them alone.

    Args:
        prompts: of every split (``abilities.COLUMNS``).
        sets: ``scored_sets``.
    """
    asked = prompts[(prompts["ability"] == POOLED) & (prompts["split"] == "fit")]
    return sorted(kind for kind in set(asked["category"]) if kind_set(kind) not in sets)
