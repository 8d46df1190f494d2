"""What each architecture supports, as numbers that tests judge and the table in workflow/anatomy/models/README.md shows."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from architecture_models import chat_prompts, checkpoint_of, direction, edit_of, model_of, random_prompts
from tiny_architectures import ARCHITECTURES, LAYERS, Architecture

EXTRACTED, SCORED, EQUAL, ADAPTED, VISIBLE, SERVED = 1e-5, 1e-4, 1e-4, 1e-5, 1e-3, 1e-4
"""Largest errors: of mean activations over the largest activation; of scores in nats; of two edits over their effect; of
adapter logits over the largest logit; and the least effect over the largest logit. SERVED: nats a token."""


@dataclass(frozen=True)
class Difference:
    """Two ways to run one edit: largest difference of logits, and largest effect, both over the largest logit."""

    error: float
    effect: float


@cache
def extraction_error(architecture: Architecture) -> float:
    """Streamed means at template positions against the mean of transformers' own hidden states, unpadded."""
    import torch

    from anatomy.models.activations.means import mean_activations

    loaded, (positions, prompts) = model_of(architecture), chat_prompts(architecture)
    moments = mean_activations(loaded, prompts, positions, token_budget=80)
    rows = []
    for ids in prompts:
        with torch.no_grad():
            hidden = loaded.model.base_model(torch.tensor([ids]), output_hidden_states=True).hidden_states[:LAYERS]
        rows.append(torch.stack([layer[0, positions] for layer in hidden], 1).double())
    expected = torch.stack(rows).mean(0)
    return ((moments.mean - expected).abs().max() / expected.abs().max()).item()


@cache
def scoring_error(architecture: Architecture) -> float:
    """Scores of candidates (many a batch, shared lower blocks) against the same interventions made one at a time."""
    import torch

    from anatomy.interventions.directions.candidates import Directions
    from anatomy.interventions.directions.metrics import kl_divergence, refusal_metric
    from anatomy.interventions.directions.prompt_scores import PromptScores
    from anatomy.interventions.directions.scores import score_candidates
    from anatomy.models.activations.hooks import SITES
    from anatomy.models.activations.interventions import Intervention, intervening

    loaded, (_, prompts) = model_of(architecture), chat_prompts(architecture)
    vectors = 3.0 * torch.randn(1, LAYERS, loaded.d_model, generator=torch.Generator().manual_seed(5))
    directions, tokens = Directions(vectors, (-1,), tuple(range(LAYERS))), [11, 50, 200]
    harmful, harmless = prompts[:2], prompts[2:]
    scores = score_candidates(
        PromptScores.of(
            loaded, directions, harmful, harmless, tokens, common_prefix=[], harmless_answers=None, token_budget=300, epsilon=1e-8
        )
    )

    def logits(ids: list[int], *edits: Intervention) -> torch.Tensor:
        with torch.no_grad(), intervening(loaded.model, edits):
            return loaded.model(torch.tensor([ids])).logits[0, -1]

    worst = 0.0
    for layer in range(LAYERS):
        everywhere = directions.unit(-1, layer).expand(LAYERS, 1, -1)
        ablate = Intervention("ablate", tuple(range(LAYERS)), everywhere, None, 1.0, SITES, "all")
        add = Intervention("add", (layer,), vectors[0, layer].view(1, 1, -1), None, 1.0, ("block_input",), "all")
        found = scores[scores["layer"] == layer].iloc[0]
        expected = {
            "bypass": sum(refusal_metric(logits(ids, ablate), tokens, 1e-8).item() for ids in harmful) / len(harmful),
            "induce": sum(refusal_metric(logits(ids, add), tokens, 1e-8).item() for ids in harmless) / len(harmless),
            "kl": sum(kl_divergence(logits(ids), logits(ids, ablate)).item() for ids in harmless) / len(harmless),
        }
        worst = max(worst, *(abs(found[name] - value) for name, value in expected.items()))
    return worst


@cache
def stream_gap(architecture: Architecture, method: str) -> Any:
    """``WriteGap`` of an edit of all that can be edited."""
    from anatomy.interventions.edits.write_gap import write_gap

    return write_gap(model_of(architecture), edit_of(architecture, method), direction(), random_prompts())


@cache
def adapter_difference(architecture: Architecture, method: str) -> Difference:
    """An edit in memory against the same edit as a PEFT adapter; of attention alone beside experts, which peft cannot name."""
    import tempfile
    from pathlib import Path

    import torch
    from peft import PeftModel

    from anatomy.interventions.edits.adapter import write_adapter
    from anatomy.interventions.edits.apply import applied
    from anatomy.models.loading import load_model

    sites = ("o_proj",) if architecture.experts else ("o_proj", "down_proj")
    loaded, edit, checkpoint = model_of(architecture), edit_of(architecture, method, sites), checkpoint_of(architecture)

    def logits(model: Any) -> torch.Tensor:
        with torch.no_grad():
            return torch.stack([model(input_ids=torch.tensor([ids])).logits[0, -1] for ids in random_prompts()])

    plain = logits(loaded.model)
    with applied(loaded, edit):
        in_memory = logits(loaded.model)
    with tempfile.TemporaryDirectory() as folder:
        write_adapter(edit, Path(folder), checkpoint)
        fresh = load_model(checkpoint.folder, torch.float32, "cpu").model
        adapted = logits(PeftModel.from_pretrained(fresh, folder))
    largest = in_memory.abs().max()
    return Difference(((adapted - in_memory).abs().max() / largest).item(), ((in_memory - plain).abs().max() / largest).item())


def export_status(architecture: Architecture) -> str:
    """What the tests of the export say, once there are any: ``export_status`` of ``tests/exported_architectures.py``."""
    if (
        importlib.util.find_spec("anatomy.interventions.export") is None
        or importlib.util.find_spec("exported_architectures") is None
    ):
        return "-"
    from exported_architectures import export_status as measured

    return measured(architecture)


COLUMNS = ("model", "transformers class", "extract, select", "edit", "weight edit = stream edit", "adapter", "vLLM", "export")


def support_row(architecture: Architecture) -> tuple[str, ...]:
    """One row of the table: every cell says what was measured just now."""
    extracted = extraction_error(architecture) <= EXTRACTED and scoring_error(architecture) <= SCORED
    edit = "yes" if len(edit_of(architecture, "projection").factors) >= 2 * LAYERS else "attention only"
    gap = max(stream_gap(architecture, "projection").gap, stream_gap(architecture, "row_mean").gap)
    return (
        architecture.name + (" (tied)" if checkpoint_of(architecture).tied_embeddings else ""),
        f"`{type(model_of(architecture).model).__name__}`",
        "yes" if extracted else "no",
        edit,
        "equal" if gap <= EQUAL else f"{100 * stream_gap(architecture, 'projection').gap:.0f} % apart",
        _adapted(architecture),
        _served(architecture),
        export_status(architecture),
    )


def _adapted(architecture: Architecture) -> str:
    found = adapter_difference(architecture, "projection")
    if found.error > ADAPTED or found.effect < VISIBLE:
        return "no"
    return "attention only" if architecture.experts else "yes"


def _served(architecture: Architecture) -> str:
    from served_architectures import served

    found = served()[architecture.name]
    whole = len(random_prompts())
    if found.same < whole or found.logprob_error > SERVED:
        return "no"
    if found.edited_same < whole or found.edited_logprob_error > SERVED or not found.changed:
        return "base model only"
    return "yes" if found.way == "adapter" else f"yes, edits by {found.way}"


def support_table() -> str:
    """The table in Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *map(support_row, ARCHITECTURES)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def numbers_apart(one: str, other: str, tolerance: float) -> bool:
    """Whether two texts differ in more than percentages that are within ``tolerance`` points of each other."""
    pattern = re.compile(r"(\d+) %")
    first, second = ([float(number) for number in pattern.findall(text)] for text in (one, other))
    if pattern.sub("%", one) != pattern.sub("%", other):
        return True
    return any(abs(a - b) > tolerance for a, b in zip(first, second, strict=True))
