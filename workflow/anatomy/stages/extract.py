"""From the fit split to candidate directions, their controls and the mean inputs of the writers, for each contrast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import torch

from anatomy.config.methods import Contrast, Controls
from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.interventions.directions.candidates import difference_in_means
from anatomy.interventions.directions.controls import isotropic, relabelling_weights, shuffled_label
from anatomy.interventions.directions.covariance_draws import covariance_draws, gaussian_weights
from anatomy.interventions.directions.extraction import WrittenContrast, write_contrast
from anatomy.models.activations.means import Moments, mean_activations
from anatomy.models.activations.writer_inputs import WriterInputs
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render, template_positions
from anatomy.models.rendering_facts import describe_rendering
from anatomy.progress.counting import Progress, counted
from anatomy.sources.prompts.contrast import check_contrast
from anatomy.stages.opening import opened_to_measure
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import contrast_rendering
from anatomy.store.files import read_table, write_json
from anatomy.store.json_objects import JsonObject

PINS: tuple[str, ...] = ("torch", "transformers")

SEED = {"isotropic": 1_000, "covariance": 2_000, "shuffled": 3_000}
"""Control directions of a family are drawn from consecutive seeds, so that more controls never change the first ones."""


class ExtractedContrast(WrittenContrast):
    """One contrast of prompts on the card.

    Attributes:
        positions: of the template, that directions are read at.
        prompts: how many on each side.
        rendering: how prompts were rendered (``Rendering.key``).
        rendered: what that looks like (``anatomy.models.rendering_facts``).
    """

    positions: list[int]
    prompts: list[int]
    rendering: JsonObject
    rendered: JsonObject


class ExtractionCard(TypedDict):
    """What was extracted from a model: its digest, and every contrast by name."""

    model: str
    contrasts: dict[str, ExtractedContrast]


def extract(
    config: Config, subject: Subject, model: ModelCard, controls: Controls, out: Path, say: Callable[[str], None]
) -> None:
    """Write ``<contrast>/{directions,controls,means,inputs}.safetensors`` for each contrast, then the card.

    Args:
        model: the model's card.
        controls: how many control directions are drawn of each family.
        out: path of the card; the payload lies in folders beside it.

    Raises:
        DataError: a prompt stands on both sides of the contrast.
    """
    at, sides = Layout(config.results), (config.extraction.harmful, config.extraction.harmless)
    harmful, harmless = (read_table(Path(at.prompts(subject, name))) for name in sides)
    check_contrast(harmful, harmless, sides, say)
    loaded = opened_to_measure(model)
    card: ExtractionCard = {"model": model["digest"], "contrasts": {}}
    progress = Progress("contrasts", len(subject.contrasts), whole=True)
    for contrast in subject.extracted:
        say(f"{subject.id}: contrast {contrast}")
        folder = out.parent / contrast
        with progress.part():
            facts = extract_contrast(config, subject, loaded, contrast, controls, folder)
        for note in facts["rendered"]["notes"]:
            say(f"{subject.id}, {contrast}: {note}")
        card["contrasts"][contrast] = facts
    write_json(out, card)


def extract_contrast(
    config: Config, subject: Subject, loaded: LoadedModel, contrast: Contrast, controls: Controls, folder: Path
) -> ExtractedContrast:
    """One contrast: a pass over the prompts of each side, which reads the stream and the writers' inputs."""
    at = Layout(config.results)
    rendering = contrast_rendering(config.extraction, subject, contrast)
    positions = template_positions(loaded.tokenizer, rendering)
    tables = [
        phase_prompts(at, subject, name, "fit", config.extraction.prompts)
        for name in (config.extraction.harmful, config.extraction.harmless)
    ]
    tokens = [render(loaded.tokenizer, list(table["prompt"]), rendering) for table in tables]
    sizes = [len(table) for table in tables]
    harmful, harmless = sizes
    shuffled = (
        relabelling_weights(harmful, harmless, [SEED["shuffled"] + n for n in range(controls.shuffled)], True)
        if controls.shuffled
        else [torch.zeros(size, 0, dtype=torch.float64) for size in sizes]
    )
    gaussian = gaussian_weights(harmful, harmless, [SEED["covariance"] + n for n in range(controls.covariance)])
    written = [WriterInputs(loaded, -1, list(table["id"])) for table in tables]
    moments = [
        mean_activations(
            loaded,
            ids,
            positions,
            token_budget=config.extraction.token_budget,
            weights=torch.cat([shuffled[side], gaussian[side]], 1),
            ids=list(table["id"]),
            also=written[side].reading,
        )
        for side, (ids, table) in counted(enumerate(zip(tokens, tables, strict=True)), "sets of prompts", len(tables))
    ]
    sides = zip(("harmful", "harmless"), written, strict=True)
    kept = write_contrast(
        folder,
        difference_in_means(*moments),
        control_tensors(moments, gaussian, controls.shuffled, controls.isotropic),
        {"harmful": moments[0].mean, "harmless": moments[1].mean},
        {f"{side}.{name}": mean for side, one in sides for name, mean in one.means().items()},
    )
    return {
        **kept,
        "positions": positions,
        "prompts": sizes,
        "rendering": rendering.key(),
        "rendered": vars(describe_rendering(loaded.tokenizer, rendering)),
    }


def control_tensors(
    moments: list[Moments], gaussian: tuple[torch.Tensor, torch.Tensor], shuffled: int, isotropics: int
) -> dict[str, torch.Tensor]:
    """Control directions of each family, [control, position, layer, d_model], not normalised.

    An isotropic control is drawn anew for each layer, so that a search over layers has as many chances as the method's.
    """
    positions, layers, d_model = moments[0].mean.shape
    relabelled = [replace(m, weighted=None if m.weighted is None else m.weighted[:shuffled]) for m in moments]
    harmful, harmless = moments
    found = {
        "shuffled": [one.vectors for one in shuffled_label(*relabelled)] if shuffled else [],
        "covariance": [one.vectors for one in covariance_draws(harmful, harmless, *gaussian, slice(shuffled, None))],
        "isotropic": [
            torch.stack([isotropic(d_model, 1_000 * (SEED["isotropic"] + number) + layer) for layer in range(layers)]).expand(
                positions, layers, d_model
            )
            for number in range(isotropics)
        ],
    }
    return {
        name: torch.stack(vectors) if vectors else torch.zeros(0, positions, layers, d_model) for name, vectors in found.items()
    }
