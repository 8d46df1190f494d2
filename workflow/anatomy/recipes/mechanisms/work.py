"""What the mechanism battery asks of a model, counted before it runs."""

from __future__ import annotations

from collections.abc import Mapping

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.costs.job_kind import Backend
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import FOUND, Outcome, StageWork
from anatomy.recipes.mechanisms.stages.suppression import CLAIMED
from anatomy.recipes.mechanisms.under_edits import DRAWN, OF_DIRECTION, OF_PAPERS
from anatomy.sources.registry.entry import Entry

HEADS = 16
"""Heads that a block is taken to have, where only its number of blocks is known."""
BACKWARD = 3
STEERED_BY = {"add": 2, "clamp": 2, "cap": 3}
"""Directions by which prompts are steered: the picked one and a random one; where it caps, its opposite too."""
OTHERS = len(OF_DIRECTION) + len(OF_PAPERS) + len(DRAWN)
"""Edits that a rewritten fact meets at most: by the picked direction and those of the run's other papers, beside random ones."""
QUESTIONS = 10
"""Of a fact: its statement, other wordings, and unrelated facts."""
WORDINGS = 2
"""The template and none, in which an answer is read by a model and by its base."""
SEARCH = 25
"""Passes in which a new fact's value is sought, forward and back."""


def is_looked_into(config: Config, subject: Subject) -> bool:
    """Whether a model is one of those that instruments look into."""
    return (subject.member or subject.id) in config.mechanisms.models


def stage_work(
    config: Config,
    subject: Subject,
    prompts: PromptCounts,
    *,
    num_layers: int,
    entries: Mapping[str, Entry],
    hooked: Backend = "transformers",
    outcome: Outcome = FOUND,
) -> dict[str, StageWork]:
    """Count passes over prompts, and patched passes: half of the blocks on average, from the patched token on, and never what
    both prompts begin with."""
    if not is_looked_into(config, subject):
        return {}
    wanted, length, own = config.mechanisms, prompts.tokens, prompts.tokens - prompts.lengths.shared
    read = 4 * wanted.prompts * length
    patches = 2 * wanted.pairs * num_layers * (3 * own + HEADS)
    patched = 2 * wanted.pairs * num_layers * (3 * own * own / 2 + HEADS * own) / 2
    ways, more = ways_of_steering(config)
    steered = (ways + 1) * 2 * wanted.steered.prompts + (STEERED_BY["cap"] + 1) * 2 * wanted.prompts
    steered += (2 * num_layers + 1) * wanted.steered.prompts
    answers = (ways + more + 1) * wanted.steered.answers
    passes = round(patched + 2 * wanted.pairs * (2 + BACKWARD) * length)
    found = {
        "look": StageWork(
            "look",
            f"{round(patches)} patched passes of {wanted.pairs} pairs; probes and lenses of {num_layers + 1} layers",
            round(read + passes + steered * length + answers * (length + wanted.steered.answer_tokens)),
            0,
            predictions=round(patches + 4 * wanted.prompts * (num_layers + 1) + steered + answers * wanted.steered.answer_tokens),
            passes=2 * wanted.pairs * num_layers + 3 * ways,
        ),
        "circuits": circuits_work(config, num_layers, length, own),
        "geometry": geometry_work(config, subject, num_layers, length),
    }
    if wanted.features is not None:
        texts, steered = 2 * (config.extraction.prompts + config.selection.prompts), 2 * wanted.features.steered
        found["features"] = StageWork(
            "features",
            f"{wanted.features.size} features of one layer, {wanted.features.random + 2} of them to steer {steered} prompts by",
            round(4 * texts * length * 2 + 2 * (wanted.features.random + 3) * steered * length),
            0,
        )
    if wanted.facts is not None:
        facts = wanted.facts.count if subject.is_organism else len(wanted.facts.own)
        blocks = min(wanted.facts.layers, num_layers)
        edits = facts * blocks
        met = 2 * OTHERS * facts
        texts = 2 * config.extraction.prompts
        found["facts"] = StageWork(
            "facts",
            f"{facts} facts rewritten in {blocks} blocks, and in one beside {OTHERS} other edits",
            round(texts * 2 * length + edits * length * (BACKWARD * SEARCH + 2 * QUESTIONS) + met * length * QUESTIONS),
            0,
            predictions=(2 * edits + met) * QUESTIONS,
            passes=edits * (SEARCH + 4) + met,
        )
    return found


def ways_of_steering(config: Config) -> tuple[int, int]:
    """Ways by which prompts are steered (mode, layers, dose and direction), and those of suppression that are none of them."""
    wanted = config.mechanisms.steered
    doses = {*config.mechanisms.doses, -1.0, 0.0, 1.0}
    ways = sum(STEERED_BY[mode] for mode in wanted.modes) * len(wanted.layers) * len(doses)
    mode, layers, _ = CLAIMED
    return ways, 0 if mode in wanted.modes and layers in wanted.layers else STEERED_BY[mode]


def geometry_work(config: Config, subject: Subject, num_layers: int, length: float) -> StageWork:
    """Count streams of prompts, answers beside the base's, and exchanged blocks, which only the organism has.

    Args:
        length: tokens of a prompt.
    """
    wanted = config.mechanisms
    answers = 2 * wanted.prompts * WORDINGS * 2
    exchanges = (2 * num_layers + 2) * wanted.steered.prompts if subject.is_organism else 0
    words = f"{wanted.prompts} prompts of each kind and split, read by the model and its base with and without the template"
    return StageWork(
        "geometry",
        f"{words}; so are as many answers" + (f"; {exchanges} passes with exchanged blocks" if exchanges else ""),
        round(2 * 5 * 2 * wanted.prompts * length + answers * (length + config.evaluation.max_new_tokens) + exchanges * length),
        0,
        predictions=answers * config.evaluation.max_new_tokens + exchanges,
    )


def circuits_work(config: Config, num_layers: int, length: float, own: float) -> StageWork:
    """Count patched heads and edges, and steps of subspaces, which pass few tokens through half of the blocks and back.

    Args:
        length: tokens of a prompt.
        own: of them those after what all prompts begin with.
    """
    wanted = config.mechanisms
    heads = 2 * wanted.pairs * num_layers * HEADS
    # Edges and routes, from a head to each of the later blocks, which are half of all; what follows is a third of the blocks.
    edges = 2 * wanted.pairs * 2 * 2 * wanted.paths.heads * num_layers * HEADS // 2
    steps = 2 * wanted.interchange.steps * wanted.interchange.batch
    exchanges = 2 * wanted.pairs * (4 + 2 * wanted.interchange.draws)
    return StageWork(
        "circuits",
        f"{heads} patched heads and {edges} patched paths of {wanted.pairs} pairs; {steps} passes and back of two subspaces",
        round(heads * own / 2 + edges * own / 3 + (BACKWARD * steps + exchanges) / 2 + 8 * wanted.pairs * length),
        0,
        predictions=heads + edges + steps + exchanges,
        passes=steps + exchanges + 4 * wanted.pairs * num_layers,
    )
