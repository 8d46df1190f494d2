"""Scores of a model's weights on its own answers: one pass over each set of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.pruning.gradient_sums import gradient_sums
from anatomy.interventions.pruning.matrices import scored_matrices
from anatomy.interventions.pruning.projections import Projections
from anatomy.interventions.pruning.ranking import TopScores, top_scores
from anatomy.interventions.pruning.rankings import RANKINGS
from anatomy.interventions.pruning.response_inputs import (
    input_squares,
    wanda_score,
)
from anatomy.interventions.pruning.saved_sums import Saving
from anatomy.interventions.pruning.scores import absolute_score, opposite_score, signed_score
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.abilities import of_split
from anatomy.recipes.pruning.stages.answering import Answers, answers_of, harmful_answers, with_words
from anatomy.recipes.pruning.stages.finished_sets import FinishedSets
from anatomy.recipes.pruning.stages.fitting_options import require_fitting
from anatomy.recipes.pruning.stages.mask_losses import LOSSES, predictions, true_losses
from anatomy.recipes.pruning.stages.output_spaces import SPACES, output_spaces
from anatomy.recipes.pruning.stages.score_keys import OPPOSITE, SNIP, WANDA, WANDA_BENIGN, preserve_key, prune_key
from anatomy.recipes.pruning.stages.scored_sets import (
    BENIGN,
    FEWEST,
    POOLED,
    kinds_without_a_set,
    scored_kinds,
    scored_sets,
)
from anatomy.store.digest import digest

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these answers come from transformers"}


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


def score(
    config: Config, subject: Subject, loaded: LoadedModel, prompts: pd.DataFrame, state: Path, say: Callable[[str], None]
) -> Scored:
    """Answers of the model, then one pass over each set of them.

    Args:
        prompts: of every split (``abilities.asked``); those of fit are scored.
        state: folder for what a killed scoring goes on from; left to the caller to remove.

    Raises:
        ConfigError: options that a model of this size cannot meet.
        DataError: too few answers, or answers to harmful requests that are refusals.
        NumericsError: as ``gradient_sums``.
    """
    wanted, checkpoint = config.pruning, Checkpoint(loaded.folder)
    matrices = scored_matrices(loaded, checkpoint)
    shapes = {name: (weight.shape[0], weight.shape[1]) for name, weight in matrices.items()}
    require_fitting(wanted, shapes, subject.id)
    kinds = scored_kinds(wanted, prompts)
    # All answers first: a set that cannot be scored is refused before an hour of gradients.
    answers = answers_of(config, subject, loaded, of_split(prompts, "fit", wanted.examples))
    spoken = with_words(answers)
    sets, refusals = scored_sets(wanted, spoken, kinds, f"{subject.id}, prompts of fit")
    held_out, refused = held_out_answers(config, subject, loaded, prompts, kinds)
    say(f"{subject.id}: " + ", ".join(f"{len(one.texts)} answers of {name}" for name, one in sets.items()))
    silent = len(answers.texts) - len(spoken.texts)
    say(f"{subject.id}: {silent} answers without a word are left out")
    if alone := kinds_without_a_set(prompts, sets):
        say(f"{subject.id}: not scored alone, with fewer than {FEWEST} answers that give what was asked: {', '.join(alone)}")
    if unprotected := [name for name in wanted.protected if name not in sets]:
        say(f"{subject.id}: nothing of {', '.join(unprotected)} is protected, which has no set of answers (pruning.protected)")
    say(f"{subject.id}: {len(held_out.texts)} held-out answers, without {refused} refusals")
    tops: dict[str, TopScores] = {}
    predicted: dict[tuple[str, float], float] = {}
    passes = _passes(wanted, sets)
    how = [str(loaded.model.dtype), loaded.device.type, torch.get_num_threads(), wanted.recompute]
    computed = digest([loaded.digest, sorted(shapes), *how])
    finished = FinishedSets(state, computed)
    for name, absolute in counted(passes, "scored sets", len(passes)):
        called = f"{name}.{'absolute' if absolute else 'signed'}"
        done = finished.of(wanted, sets[name], called)
        if done is None:
            saving = Saving(state / f"{digest(called)}.safetensors", computed)
            done = _scored_set(wanted, loaded, matrices, sets[name], name, absolute=absolute, saving=saving)
            finished.keep(wanted, sets[name], called, *done)
            saving.remove()
        tops |= done[0]
        predicted |= done[1]
    most_q, most_p = max(wanted.prune), max(wanted.preserve)
    for key, name, most in ((WANDA, POOLED, most_q), (WANDA_BENIGN, BENIGN, most_p)):
        squares = input_squares(loaded, matrices, sets[name].forced)
        tops[key] = top_scores(wanda_score(matrices, squares), shapes, most, wanted.ranking)
    spaces, projections = output_spaces(wanted, loaded, matrices, sets, subject.seed or 0)
    read = {"fit": sets[POOLED]} | ({"select": held_out} if held_out.texts else {})
    losses = true_losses(loaded, checkpoint, tops, wanted, predicted, read)
    counts = {name: len(one.texts) for name, one in sets.items()}
    return Scored(
        tops,
        spaces.assign(model=subject.id)[SPACES],
        losses.assign(model=subject.id)[LOSSES],
        {**counts, "refusals left out": refusals, "answers without a word left out": silent},
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

    Sums of gradients, up to twice as large as the weights, end with this function: those of two sets are never in memory at once.
    """
    shapes = {matrix: (weight.shape[0], weight.shape[1]) for matrix, weight in matrices.items()}
    ids = list(own.table["id"])
    found = gradient_sums(loaded, matrices, own.forced, ids, absolute=absolute, recompute=wanted.recompute, saving=saving)
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


def _passes(wanted: Pruning, sets: Mapping[str, Answers]) -> list[tuple[str, bool]]:
    preserved = [name for name in (BENIGN, *wanted.protected) if name in sets]
    return [(name, False) for name in sets] + [(name, True) for name in [*dict.fromkeys(preserved), POOLED]]


def held_out_answers(
    config: Config, subject: Subject, loaded: LoadedModel, prompts: pd.DataFrame, kinds: list[str]
) -> tuple[Answers, int]:
    """Harmful answers to prompts of select, of the scored kinds, and how many refusals were left out.

    Nothing is scored of them: losses that masks bring are read on them beside those of the scored answers. However many are
    refusals, those that give what was asked for are read, and none where all refuse.
    """
    rows = of_split(prompts, "select", config.pruning.examples)
    rows = rows[(rows["ability"] == POOLED) & rows["category"].isin(kinds)].reset_index(drop=True)
    if rows.empty:
        return Answers(rows, [], []), 0
    return harmful_answers(with_words(answers_of(config, subject, loaded, rows)), 1.0, f"{subject.id}, prompts of select")
