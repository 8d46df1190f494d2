"""Facts in a model: which part at the subject's last token carries them, and what rewriting one does to it and to others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from anatomy.config.schema import Config
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.low_rank import Factors, LowRankEdit, low_rank_edit
from anatomy.interventions.edits.stack import Part, under_stack
from anatomy.interventions.instruments.fact_edit import (
    FactPrompt,
    key_moments,
    last_matrix,
    rank_one,
    subject_keys,
    wanted_value,
    with_random_key,
)
from anatomy.interventions.instruments.facts import Fact, Question, fact_prompt, margins, object_token
from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.interventions.instruments.patching import PatchedPart, Place, patch_pair
from anatomy.interventions.instruments.recovery_over_pairs import weighed
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.models.matrix_names import matrix_of
from anatomy.progress.counting import counted

PARTS: tuple[PatchedPart, ...] = ("stream", "attention", "mlp")
"""The stream too, which has the fact wherever it is carried, up to the block in which other tokens read it."""
PATCHED = ["part", "layer", "clean", "corrupt", "recovery"]
PREFIXES = 3
"""Sentences that stand before the statement in turn when its key is read and its value sought."""
ASKED = ("efficacy", "paraphrase", "unrelated")


def fact_patches(loaded: LoadedModel, facts: Sequence[Fact], token_budget: int) -> pd.DataFrame:
    """What the stream, attention and the MLP of each block carry of a fact at the subject's last token.

    The subject's run is patched into the run of a contrary subject of as many tokens; recovery is of the log odds of the fact's
    object. Columns ``id, group, part, layer, clean, corrupt, recovery``; no row for a fact without such a subject.
    """
    parts = []
    for fact in facts:
        if fact.contrary is None:
            continue
        other = fact.statement.text.replace(fact.subject, fact.contrary)
        one, two = (
            fact_prompt(loaded.tokenizer, text, subject)
            for text, subject in ((fact.statement.text, fact.subject), (other, fact.contrary))
        )
        if (len(one.tokens), one.subject) != (len(two.tokens), two.subject):
            continue
        pair = PairedPrompts(fact.id, fact.contrary, fact.group, one.tokens, two.tokens)
        metric = RefusalMetric((object_token(loaded.tokenizer, fact.statement.text, fact.statement.true),), 0.0)
        places = [Place(part, layer, one.subject) for part in PARTS for layer in range(loaded.num_layers)]
        rows = patch_pair(loaded, pair, places, metric, "denoise", token_budget)
        parts.append(rows[PATCHED].assign(id=fact.id, group=fact.group))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["id", "group", *PATCHED])


def not_as_asked(facts: Sequence[Fact], patches: pd.DataFrame, edits: pd.DataFrame) -> list[str]:
    """Facts that are not patched, and those that the model does not state, in words; they are not left out in silence.

    Args:
        patches, edits: as ``fact_patches`` and ``fact_edits`` found them.
    """
    alone = [fact.id for fact in facts if fact.id not in set(patches["id"])]
    asked = edits[(edits["measure"] == "efficacy") & (edits["under"] == "")].drop_duplicates("id")
    unknown = list(asked.loc[asked["before"] >= 0, "id"])
    named = {
        "are not patched, without a contrary subject of as many tokens": alone,
        "are not what the model says before": unknown,
    }
    return [f"{len(ids)} of {len(facts)} facts {words}: {', '.join(ids)}" for words, ids in named.items() if ids]


def edited_layers(config: Config, loaded: LoadedModel, patches: pd.DataFrame) -> tuple[list[int], int | None]:
    """Blocks whose MLP is edited, evenly spaced, and among them the one that carries most of all facts (None: nothing says)."""
    wanted = min(config.mechanisms.facts.layers, loaded.num_layers)
    layers = {int(layer) for layer in np.linspace(0, loaded.num_layers - 1, wanted).round()}
    means = weighed(patches[patches["part"] == "mlp"]).groupby("layer")["recovery"].mean().dropna()
    best = None if means.empty else int(means.idxmax())
    return sorted(layers | ({best} if best is not None else set())), best


def fact_edits(
    config: Config,
    loaded: LoadedModel,
    facts: Sequence[Fact],
    layers: Sequence[int],
    best: int | None,
    texts: Sequence[Sequence[int]],
    others: Mapping[str, Part],
) -> pd.DataFrame:
    """Every fact rewritten in every layer, beside the same change read by a random key; in the best layer beside other edits too.

    Args:
        texts: token ids of texts whose keys are to be moved least.
        others: edits that a rewritten fact meets, by name.

    Returns:
        Columns ``id, group, layer, kind, under, measure, number, before, after``. ``before`` and ``after``: ``log P(new) - log
        P(true)`` of a question without and with the edit, under another edit where ``under`` names one.
    """
    budget, rows, checkpoint = config.extraction.token_budget, [], Checkpoint(loaded.folder)
    statements = [list(loaded.tokenizer(question.text)["input_ids"]) for fact in facts for question in fact.unrelated]
    moments = key_moments(loaded, layers, [*texts, *statements], budget)
    plain = {fact.id: _asked(loaded, fact, budget) for fact in facts}
    under = {}
    for name, other in others.items():
        with under_stack(loaded, [other]):
            under[name] = {fact.id: _asked(loaded, fact, budget) for fact in facts}
    for number, fact in enumerate(counted(facts, "facts rewritten", len(facts))):
        prompts = _prompts(loaded, fact)
        keys = subject_keys(loaded, layers, prompts)
        target = object_token(loaded.tokenizer, fact.statement.text, fact.statement.new)
        for layer in layers:
            matrix = last_matrix(loaded, layer)
            value = wanted_value(loaded, layer, prompts, target)
            made = rank_one(matrix_of(matrix), moments[layer], keys[layer], value, matrix.bias)
            drawn = with_random_key(made, config.mechanisms.seed + number)
            for kind, factors in (("fact", made), ("random key", drawn)):
                edit = _edit(loaded, checkpoint, layer, factors, fact)
                with applied(loaded, edit):
                    rows.append(_rows(fact, layer, kind, "", plain[fact.id], _asked(loaded, fact, budget)))
                if kind == "fact" and layer == best:
                    for name, other in others.items():
                        with under_stack(loaded, [edit, other]):
                            rows.append(_rows(fact, layer, kind, name, under[name][fact.id], _asked(loaded, fact, budget)))
    return pd.concat(rows, ignore_index=True)


def _prompts(loaded: LoadedModel, fact: Fact) -> list[FactPrompt]:
    """The statement, alone and behind other true sentences."""
    before = ["", *(f"{one.text} {one.true}. " for one in fact.unrelated[:PREFIXES])]
    return [fact_prompt(loaded.tokenizer, prefix + fact.statement.text, fact.subject) for prefix in before]


def _questions(fact: Fact) -> list[tuple[str, Question]]:
    groups = ((fact.statement,), fact.paraphrases, fact.unrelated)
    return [(measure, question) for measure, questions in zip(ASKED, groups, strict=True) for question in questions]


def _asked(loaded: LoadedModel, fact: Fact, budget: int) -> pd.Series:
    return margins(loaded, [question for _, question in _questions(fact)], budget)


def _rows(fact: Fact, layer: int, kind: str, under: str, before: pd.Series, after: pd.Series) -> pd.DataFrame:
    names = [measure for measure, _ in _questions(fact)]
    table = pd.DataFrame({"measure": names, "number": range(len(names)), "before": before, "after": after})
    return table.assign(id=fact.id, group=fact.group, layer=layer, kind=kind, under=under)


def _edit(loaded: LoadedModel, checkpoint: Checkpoint, layer: int, factors: Factors, fact: Fact) -> LowRankEdit:
    """The change as an edit that stays in memory."""
    matrix = last_matrix(loaded, layer)
    name = next(name for name, module in loaded.model.named_modules() if module is matrix)
    spec = {"method": "fact", "fact": fact.id, "layer": layer}
    a, b = (part.to(torch.float32) for part in factors)
    return low_rank_edit(spec, "measure", checkpoint, {name: (a, b)}, [name])
