"""What each picked edit does and what it moves: refusals beside the KL divergence by which users of other tools compare edits."""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject, subjects
from anatomy.evidence.figures.rates import KL_OF, method_of
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.figures import Evidence

CONTROLS = ("controls", "controls_from", "controls_to")


def edits_table(config: Config, evidence: Evidence) -> pd.DataFrame:
    """One row a model and picked edit, on the test split; empty where no divergence was measured.

    Returns:
        ``model, edit``; ``harmful_refused, benign_refused`` by the first judge; ``first_token_kl`` and ``kl_<k>_tokens``: KL
        (nats) from the unedited model to the edited one on harmless prompts, each with its interval; ``controls``: control edits
        that went through the same search, and between which means of ``kl_<k>_tokens`` theirs lie; ``prompts``.
    """
    names = dict(zip(KL_OF, ("first_token_kl", f"kl_{config.divergence.tokens}_tokens"), strict=True))
    rows = [row for subject in subjects(config) for row in _of(subject, config, evidence, names)]
    bounds = [name for kl in names.values() for name in (kl, f"{kl}_low", f"{kl}_high")]
    return pd.DataFrame(rows, columns=["model", "edit", "harmful_refused", "benign_refused", *bounds, *CONTROLS, "prompts"])


def _of(subject: Subject, config: Config, evidence: Evidence, names: dict[str, str]) -> list[dict[str, object]]:
    if evidence.divergences.empty:
        return []
    own = evidence.divergences[evidence.divergences["model"] == subject.id]
    refused = evidence.rates[evidence.rates["model"] == subject.id].set_index(["variant", "set"])["rate"]
    sides = {"harmful_refused": config.evaluation.harmful, "benign_refused": config.evaluation.benign}
    found = []
    for method in (family.name for family in families(config, subject) if not family.control):
        edited = own[(own["role"] == "method") & (own["family"] == method)].set_index("measure")
        if not set(names) <= set(edited.index):
            continue
        variant = edited["variant"].iloc[0]
        row: dict[str, object] = {"model": subject.id, "edit": method}
        row |= {name: refused.get((variant, side), float("nan")) for name, side in sides.items()}
        for measure, name in names.items():
            one = edited.loc[measure]
            row |= {name: one["rate"], f"{name}_low": one["low"], f"{name}_high": one["high"], "prompts": one["n"]}
        search, _, contrast = method.partition("@")
        searched = search if contrast in subject.foreign else method
        same = (own["role"] == "control") & (own["measure"] == "kl") & (own["family"].map(method_of) == searched)
        controls = own.loc[same, "rate"]
        found.append({**row, **dict(zip(CONTROLS, (len(controls), controls.min(), controls.max()), strict=True))})
    return found
