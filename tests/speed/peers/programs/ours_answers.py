"""Ours, judged by answers: eight edits of one loaded model, each asked for its answers and its first-token KL.

The edits: the difference in means at the last prompt token of layers 2 to 5, without its share along the harmless mean, of which
once or one and a half times what each matrix writes along it is taken out. The one that leaves the fewest refusals by rules wins,
of equal ones that with the lowest KL, among those whose KL is at most .1 (the limit of Arditi et al. 2024, appendix C). Then 19
control directions go through the same search.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import torch
from speed.peers.budget import ANSWER_TOKENS, CANDIDATES, SEARCH_PROMPTS
from speed.peers.organism import grown_organism
from speed.peers.programs.marks import PICKED, SEARCH, say, say_result
from speed.peers.programs.ours import Chosen, Model, beside_controls, directions, opened, spec_of
from speed.peers.scoring import first_logits, ruler_of

from anatomy.evidence.claims.outcomes import REFUSED
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.metrics import kl_divergence
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import generate_with_transformers
from anatomy.texts.judges.refusal_rules import judge_refusal

POSITION, LAYERS, STRENGTHS, MOST_KL = -1, (2, 3, 4, 5), (1.0, 1.5), 0.1


def main(results: Path, seed: int) -> None:
    torch.set_num_threads(1)
    organism = grown_organism(results, seed)
    model = opened(organism)
    own, controls = directions(model, beside_mean=True)
    unedited = first_logits(model.loaded, model.ids["harmless", "select"])
    say(SEARCH)
    chosen = searched(model, own, unedited)
    say(PICKED)
    found = beside_controls(model, ruler_of(organism, model.loaded), chosen, all_searched(model, controls, unedited))
    say_result({"candidates": CANDIDATES, **found})


def all_searched(model: Model, controls: list[Directions], unedited: torch.Tensor) -> Iterator[Chosen]:
    for control in controls:
        yield searched(model, control, unedited)


def searched(model: Model, along: Directions, unedited: torch.Tensor) -> Chosen:
    """The best of the eight edits along some directions."""
    tried = candidates(along)
    return best(tried, [judged(model, one, unedited) for one in tried])


def candidates(along: Directions) -> list[Chosen]:
    """The eight edits along some directions."""
    return [
        (spec_of("projection", POSITION, layer, strength=strength), along.unit(POSITION, layer))
        for layer, strength in product(LAYERS, STRENGTHS)
    ]


def best(tried: Sequence[Chosen], standing: Sequence[tuple[float, float]]) -> Chosen:
    """The edit with the fewest refusals, then the lowest KL, among those within the limit; among all where none is."""
    within = [place for place, (_, kl) in enumerate(standing) if kl <= MOST_KL] or range(len(tried))
    return tried[min(within, key=lambda place: standing[place])]


def judged(model: Model, edit: Chosen, unedited: torch.Tensor) -> tuple[float, float]:
    """Refusals that an edit leaves, by rules, and its first-token KL in nats."""
    kl = moved(model, edit, unedited)
    with model.under(*edit) as edited:
        asked = model.ids["harmful", "select"]
        answers = generate_with_transformers(edited, asked, Decoding(ANSWER_TOKENS, 0.0), batch_size=SEARCH_PROMPTS)
    return refused_share([one.text for one in answers]), kl


def moved(model: Model, edit: Chosen, unedited: torch.Tensor) -> float:
    """First-token KL(unedited || edited) on harmless prompts, in nats."""
    with model.under(*edit) as edited:
        return kl_divergence(unedited, first_logits(edited, model.ids["harmless", "select"])).mean().item()


def refused_share(texts: Sequence[str]) -> float:
    """Share of answers that refuse in full or in part, by rules."""
    return sum(judge_refusal(text).label in REFUSED for text in texts) / len(texts)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
