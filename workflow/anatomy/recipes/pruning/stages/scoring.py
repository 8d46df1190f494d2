"""Scores of a model's weights on its own answers, and the loss that masks bring beside the loss that scores predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import DataError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.pruning.gradient_sums import GradientSums, Saving, gradient_sums, response_losses
from anatomy.interventions.pruning.masks import pruning_edit, random_mask, weights_in
from anatomy.interventions.pruning.matrices import scored_matrices
from anatomy.interventions.pruning.projections import Projections, random_space, removal
from anatomy.interventions.pruning.ranking import Mask, TopScores, top_scores
from anatomy.interventions.pruning.rankings import RANKINGS, Ranking
from anatomy.interventions.pruning.response_inputs import (
    input_moments,
    input_squares,
    output_space,
    space_overlap,
    wanda_score,
)
from anatomy.interventions.pruning.scores import absolute_score, opposite_score, signed_score
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.abilities import of_split
from anatomy.recipes.pruning.stages.answering import Answers, answers_of, harmful_answers, refusing
from anatomy.store.digest import digest

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these answers come from transformers"}

POOLED, BENIGN, REFUSAL = "generation", "benign", "refusal"
ACTSVD, ACTSVD_REFUSAL, ACTSVD_RANDOM = "ActSVD", "ability.refusal, ActSVD", "ActSVD, random directions"
"""Removals of output directions: of harmful answers, of refusals, and of as many directions drawn at random."""
LOSSES = ["model", "kind", "q", "weights", "split", "id", "group", "predicted", "change"]
SPACES = ["model", "matrix", "layer", "module", "rank", "overlap", "expected"]
FEWEST = 2
"""Answers below which a set is not scored."""


@dataclass(frozen=True)
class Scored:
    """What a scoring leaves.

    Attributes:
        tops: highest scores by ``prune_key``, ``preserve_key`` and ``OPPOSITE``.
        spaces: ``SPACES``: how alike the spaces are in which outputs on harmful and on benign answers lie, matrix by matrix.
        losses: ``LOSSES``: change of each answer's loss under masks, beside what the scores predict on average.
        counts: answers that were scored, by set, and refusals that were left out.
        projections: removals of output directions, by name.
    """

    tops: dict[str, TopScores]
    spaces: pd.DataFrame
    losses: pd.DataFrame
    counts: dict[str, int]
    projections: Projections


def prune_key(name: str, ranking: Ranking) -> str:
    """Name of the signed scores of a set."""
    return f"prune.{name}.{ranking}"


def preserve_key(name: str, ranking: Ranking) -> str:
    """Name of the absolute scores of a set."""
    return f"preserve.{name}.{ranking}"


OPPOSITE, SNIP, WANDA, WANDA_BENIGN = "opposite", "snip", "wanda", "wanda.benign"


def kind_set(category: str) -> str:
    """Name of the set of one kind of harm."""
    return f"kind.{category}"


def scored_kinds(wanted: Pruning, prompts: pd.DataFrame) -> list[str]:
    """Kinds of harm whose answers are scored.

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
    return list(chosen)


def score(
    config: Config, subject: Subject, loaded: LoadedModel, prompts: pd.DataFrame, state: Path, say: Callable[[str], None]
) -> Scored:
    """Answers of the model, then one pass over each set of them.

    Args:
        prompts: of every split (``abilities.asked``); those of fit are scored.
        state: folder for what a killed scoring goes on from.

    Raises:
        DataError: too few answers, or answers to harmful requests that are refusals.
        NumericsError: as ``gradient_sums``.
    """
    wanted, checkpoint = config.pruning, Checkpoint(loaded.folder)
    matrices = scored_matrices(loaded, checkpoint)
    shapes = {name: (weight.shape[0], weight.shape[1]) for name, weight in matrices.items()}
    kinds = scored_kinds(wanted, prompts)
    answers = answers_of(config, subject, loaded, of_split(prompts, "fit", wanted.examples))
    sets, refusals = scored_sets(wanted, answers, kinds, f"{subject.id}, prompts of fit")
    say(f"{subject.id}: " + ", ".join(f"{len(one.texts)} answers of {name}" for name, one in sets.items()))
    tops: dict[str, TopScores] = {}
    predicted: dict[tuple[str, float], float] = {}
    passes = _passes(wanted, sets)
    for name, absolute in counted(passes, "scored sets", len(passes)):
        saving = Saving(
            state / f"{name}.{'absolute' if absolute else 'signed'}.safetensors", digest([loaded.digest, sorted(shapes)])
        )
        own, foreseen = _scored_set(wanted, loaded, matrices, sets[name], name, absolute=absolute, saving=saving)
        tops |= own
        predicted |= foreseen
    most_q, most_p = max(wanted.prune), max(wanted.preserve)
    for key, name, most in ((WANDA, POOLED, most_q), (WANDA_BENIGN, BENIGN, most_p)):
        squares = input_squares(loaded, matrices, sets[name].forced)
        tops[key] = top_scores(wanda_score(matrices, squares), shapes, most, wanted.ranking)
    spaces, projections = output_spaces(wanted, loaded, matrices, sets, subject.seed or 0)
    rest = answers_of(config, subject, loaded, _harmful(of_split(prompts, "select", wanted.examples), kinds))
    held_out, _ = harmful_answers(rest, wanted.refusals, f"{subject.id}, prompts of select")
    losses = true_losses(loaded, checkpoint, tops, wanted, predicted, {"fit": sets[POOLED], "select": held_out})
    counts = {name: len(one.texts) for name, one in sets.items()}
    return Scored(
        tops,
        spaces.assign(model=subject.id)[SPACES],
        losses.assign(model=subject.id)[LOSSES],
        {**counts, "refusals left out": refusals},
        projections,
    )


def _scored_set(
    wanted: Pruning,
    loaded: LoadedModel,
    matrices: Mapping[str, torch.nn.Parameter],
    own: Answers,
    name: str,
    *,
    absolute: bool,
    saving: Saving,
) -> tuple[dict[str, TopScores], dict[tuple[str, float], float]]:
    """Highest scores of one set, and of the pooled one what they predict (``predictions``).

    Sums of gradients, as large as the weights in float32, end with this function: those of two sets are never in memory at once.
    """
    shapes = {matrix: (weight.shape[0], weight.shape[1]) for matrix, weight in matrices.items()}
    ids = list(own.table["id"])
    found = gradient_sums(loaded, matrices, own.forced, ids, absolute=absolute, recompute=wanted.recompute, saving=saving)
    saving.path.unlink(missing_ok=True)
    most_q, most_p = max(wanted.prune), max(wanted.preserve)
    if absolute and name == POOLED:
        return {SNIP: top_scores(absolute_score(matrices, found), shapes, most_q, wanted.ranking)}, {}
    if absolute:
        scores = absolute_score(matrices, found)
        return {preserve_key(name, ranking): top_scores(scores, shapes, most_p, ranking) for ranking in RANKINGS}, {}
    several = RANKINGS if name == POOLED else (wanted.ranking,)
    scores = signed_score(matrices, found)
    tops = {prune_key(name, ranking): top_scores(scores, shapes, most_q, ranking) for ranking in several}
    if name != POOLED:
        return tops, {}
    # Twice as many: a control of as many weights leaves out what is preserved, which a mask has left out already.
    tops[OPPOSITE] = top_scores(opposite_score(matrices, found), shapes, min(1.0, 2 * most_q), wanted.ranking)
    return tops, predictions(matrices, tops, wanted, found)


def output_spaces(
    wanted: Pruning, loaded: LoadedModel, matrices: Mapping[str, torch.nn.Parameter], sets: Mapping[str, Answers], seed: int
) -> tuple[pd.DataFrame, Projections]:
    """Overlap of the spaces in which a matrix' outputs on harmful and on benign answers lie, beside that of random spaces; and
    the removals of the harmful space, of that of refusals, and of as many random directions, each with the benign space left.

    One block at a time: moments of all matrices are never in memory together.
    """
    rank, removed = wanted.space_rank, wanted.removed_ranks
    names = {POOLED: ACTSVD, REFUSAL: ACTSVD_REFUSAL}
    read = [name for name in (BENIGN, *names) if name in sets and (name != REFUSAL or removed)]
    rows: list[dict[str, object]] = []
    found: Projections = {}
    generator = torch.Generator().manual_seed(seed)
    for layer in range(loaded.num_layers if rank or removed else 0):
        own = [name for name in matrices if f".{layer}." in name]
        moments = {name: input_moments(loaded, own, sets[name].forced) for name in read}
        for name in own:
            weight = matrices[name].detach().float()
            if rank:
                width = min(rank, len(weight))
                harm, benign = (output_space(weight, moments[one][name], width) for one in (POOLED, BENIGN))
                named = {"matrix": name, "layer": layer, "module": name.rpartition(".")[2], "rank": width}
                rows.append({**named, "overlap": space_overlap(harm, benign), "expected": width / len(weight)})
            if removed:
                few = min(removed, len(weight))
                kept = output_space(weight, moments[BENIGN][name], min(wanted.preserved_ranks, len(weight)))
                spaces = {names[one]: output_space(weight, moments[one][name], few) for one in read if one != BENIGN}
                spaces[ACTSVD_RANDOM] = random_space(len(weight), few, generator).to(weight.device)
                for key, space in spaces.items():
                    found.setdefault(key, {})[name] = removal(weight, space, kept, removed)
    return pd.DataFrame(rows, columns=SPACES[1:]), found


def scored_sets(wanted: Pruning, answers: Answers, kinds: list[str], where: str) -> tuple[dict[str, Answers], int]:
    """Sets of answers by name: harm of the scored kinds, of each kind alone, benign, and of each other ability.

    What is asked of harmful things counts for the scored kinds alone, but in sets of one kind: the others are not seen before
    the test.
    """
    table = answers.table
    generation = answers.where((table["ability"] == POOLED).tolist())
    harm, refusals = harmful_answers(generation, wanted.refusals, where)
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
                remedy="give pruning.sets prompts in the split fit",
            )
    return kept, refusals


def _passes(wanted: Pruning, sets: Mapping[str, Answers]) -> list[tuple[str, bool]]:
    preserved = [name for name in (BENIGN, *wanted.protected) if name in sets]
    return [(name, False) for name in sets] + [(name, True) for name in [*dict.fromkeys(preserved), POOLED]]


def _harmful(prompts: pd.DataFrame, kinds: list[str]) -> pd.DataFrame:
    return prompts[(prompts["ability"] == POOLED) & prompts["category"].isin(kinds)].reset_index(drop=True)


def predictions(
    matrices: Mapping[str, torch.nn.Parameter], tops: Mapping[str, TopScores], wanted: Pruning, pooled: GradientSums
) -> dict[tuple[str, float], float]:
    """First-order prediction of the mean change of the scored answers' loss, ``-sum_M W dl/dW``, by kind of mask and q."""
    found = {}
    for kind, q, mask in _loss_masks(tops, wanted):
        changes = [
            float((matrices[name].detach().float().flatten()[at] * pooled.sums[name].flatten()[at]).sum())
            for name, places in mask.items()
            for at in (places.to(matrices[name].device),)
        ]
        found[kind, q] = -sum(changes) / len(pooled.losses)
    return found


def true_losses(
    loaded: LoadedModel,
    checkpoint: Checkpoint,
    tops: Mapping[str, TopScores],
    wanted: Pruning,
    predicted: Mapping[tuple[str, float], float],
    answers: Mapping[str, Answers],
) -> pd.DataFrame:
    """Change of the loss of harmful answers under masks of the highest, the lowest and random scores of every fraction.

    Args:
        predicted: ``predictions``, which stand beside.
    """
    before = {split: response_losses(loaded, own.forced) for split, own in answers.items()}
    rows = []
    for kind, q, mask in _loss_masks(tops, wanted):
        if not weights_in(mask):
            continue
        edit = pruning_edit({"kind": kind, "q": q}, "measure", checkpoint, mask)
        with applied(loaded, edit):
            for split, own in answers.items():
                changes = response_losses(loaded, own.forced) - before[split]
                for name, group, change in zip(own.table["id"], own.table["group"], changes.tolist(), strict=True):
                    named = {"kind": kind, "q": q, "weights": weights_in(mask), "split": split, "id": name, "group": group}
                    rows.append({**named, "predicted": predicted[kind, q], "change": change})
    return pd.DataFrame(rows)


def _loss_masks(tops: Mapping[str, TopScores], wanted: Pruning) -> Iterator[tuple[str, float, Mask]]:
    """Masks whose loss is predicted and measured, the same ones at each call."""
    generator = torch.Generator().manual_seed(0)
    best = tops[prune_key(POOLED, wanted.ranking)]
    for q in wanted.prune:
        mask = best.top(q)
        yield "highest", q, mask
        yield "sign-flipped", q, tops[OPPOSITE].top(q)
        yield "random", q, random_mask(mask, best.shapes, generator)
