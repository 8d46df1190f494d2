"""What each picked edit does and what it moves: refusals beside the KL divergence by which users of other tools compare edits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject, subjects
from anatomy.evidence.figures.rates import KL_OF, method_of
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.figures import Evidence

REFUSED = {"harmful_refused": "harmful requests refused", "benign_refused": "benign requests refused"}
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


def printed_edits(table: pd.DataFrame) -> pd.DataFrame:
    """``edits_table`` as the page prints it: rates in per cent, a divergence with its interval in one cell, in words.

    Args:
        table: of ``edits_table``.
    """
    bounded = [name for name in table.columns if f"{name}_low" in table.columns]
    found = table[["model", "edit"]].copy()
    for name, title in REFUSED.items():
        found[title] = [_number(value, "{:.0%}") for value in table[name]]
    for name in bounded:
        tokens = "first token" if name == "first_token_kl" else f"first {name.split('_')[1]} tokens"
        bounds = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
        found[f"KL, {tokens} (nats)"] = [
            _number(value, "{:.3g}") + (f" [{low:.3g}, {high:.3g}]" if np.isfinite([low, high]).all() else "")
            for value, low, high in bounds
        ]
    ends = zip(*(table[name] for name in CONTROLS), strict=True)
    found["KL of controls (nats)"] = [f"{low:.3g} to {high:.3g}, {count} controls" if count else "" for count, low, high in ends]
    return found.assign(prompts=table["prompts"])


def _number(value: float, form: str) -> str:
    return form.format(value) if np.isfinite(value) else ""


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
