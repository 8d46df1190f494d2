"""What the mechanism battery asks of a model, counted before it runs."""

from __future__ import annotations

from collections.abc import Mapping

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.costs.job_kind import Backend
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import FOUND, Outcome, StageWork
from anatomy.sources.registry.entry import Entry

HEADS = 16
"""Heads that a block is taken to have, where only its number of blocks is known."""
BACKWARD = 3
STEERED_BY = 2
"""Directions by which prompts are steered: the picked one and a random one; where it caps, its opposite too."""
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
    ways = len(wanted.steered.modes) * len(wanted.steered.layers) * len(wanted.doses) * STEERED_BY
    steered = ways * (2 * wanted.steered.prompts + wanted.steered.answers) + 2 * num_layers * wanted.steered.prompts
    passes = round(patched + 2 * wanted.pairs * (2 + BACKWARD) * length)
    found = {
        "look": StageWork(
            "look",
            f"{round(patches)} patched passes of {wanted.pairs} pairs; probes and lenses of {num_layers + 1} layers",
            round(read + passes + steered * length),
            0,
            predictions=round(patches + 4 * wanted.prompts * (num_layers + 1) + steered),
            passes=2 * wanted.pairs * num_layers + 3 * ways,
        ),
        "circuits": circuits_work(config, num_layers, length, own),
        "geometry": StageWork(
            "geometry",
            f"{wanted.prompts} prompts of each kind and split, read by the model and its base with and without the template",
            round(2 * 5 * 2 * wanted.prompts * length),
            0,
        ),
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
        edits, questions = wanted.facts.count * wanted.facts.layers, 10
        texts = 2 * config.extraction.prompts
        found["facts"] = StageWork(
            "facts",
            f"{wanted.facts.count} facts rewritten in {min(wanted.facts.layers, num_layers)} blocks",
            round(texts * 2 * length + edits * length * (BACKWARD * SEARCH + 2 * questions)),
            0,
            passes=edits * (SEARCH + 4),
        )
    return found


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
