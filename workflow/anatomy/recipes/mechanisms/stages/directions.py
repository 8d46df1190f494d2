"""Streams of a model and of its base on the same prompts, and the directions that they give at every layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.errors import ModelError
from anatomy.interventions.heads.same_tokens import require_same_tokens
from anatomy.interventions.instruments.geometry import difference
from anatomy.interventions.instruments.logit_lens import last_streams
from anatomy.interventions.instruments.probes import logistic_weights
from anatomy.interventions.instruments.template_shift import VARIANTS, Streams, shifts
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render, template_positions
from anatomy.recipes.mechanisms.prompts_read import SIDES, set_read
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering

ByLayer = Float[Tensor, "layer d_model"]


@dataclass(frozen=True)
class Read:
    """Prompts of one side and split, and their streams at the last token.

    Attributes:
        table: rows of the prompts.
        streams: by model (``aligned``, ``base``) and wording (``template``, ``plain``); and ``aligned, instruction``: at the last
            token of the request, before the template goes on.
    """

    table: pd.DataFrame
    streams: dict[tuple[str, str], Float[Tensor, "layer prompt d_model"]]

    @property
    def groups(self) -> list[str]:
        return list(self.table["group"])

    @property
    def kinds(self) -> list[str] | None:
        """Category of each prompt; None where some have none."""
        names = self.table["category"]
        return None if names.isna().any() or (names == "").any() else [str(name) for name in names]


def require_alike(loaded: LoadedModel, base: LoadedModel) -> None:
    """Refuse a base of another shape, or of another tokenizer: its streams are in another space, or of other tokens."""
    if (loaded.num_layers, loaded.d_model) != (base.num_layers, base.d_model):
        raise ModelError(
            found=f"{base.num_layers} blocks of width {base.d_model}",
            expected=f"{loaded.num_layers} blocks of width {loaded.d_model}, as the model has that was trained from it",
            where=str(base.folder),
            remedy="name the base that the model was trained from (models.<id>.base)",
        )
    require_same_tokens(base.tokenizer, loaded.tokenizer, f"{loaded.folder} and its base {base.folder}")


def read_sides(config: Config, subject: Subject, loaded: LoadedModel, base: LoadedModel | None, phase: str) -> dict[str, Read]:
    """Both kinds of prompt of a split. A base reads what its aligned model reads, in the same tokens."""
    own, budget, found = answer_rendering(config.evaluation, subject), config.extraction.token_budget, {}
    wordings = {"template": own, "plain": Rendering(template=False)} if own.template else {"plain": own}
    models = {"aligned": loaded} | ({} if base is None else {"base": base})
    for side in SIDES:
        table = phase_prompts(Layout(config.results), subject, set_read(config, side, phase), phase, config.mechanisms.prompts)
        ids, streams = list(table["id"]), {}
        for wording, rendering in wordings.items():
            tokens = render(loaded.tokenizer, list(table["prompt"]), rendering)
            for name, model in models.items():
                streams[name, wording] = last_streams(model, tokens, budget, ids)
            if wording == "template":
                after = len(template_positions(loaded.tokenizer, rendering))
                streams["aligned", "instruction"] = last_streams(loaded, [row[: len(row) - after] for row in tokens], budget, ids)
        found[side] = Read(table, streams)
    return found


def own_wording(read: Read) -> str:
    """How the model is spoken to: through its template where it has one."""
    return "template" if ("aligned", "template") in read.streams else "plain"


def gap(fit: dict[str, Read], model: str, wording: str) -> ByLayer:
    """Difference in means of harmful and harmless prompts; zero at a layer where it is rounding."""
    return difference(*(fit[side].streams[model, wording] for side in SIDES))


def directions_of(fit: dict[str, Read], picked: Float[Tensor, " d_model"] | None, seed: int) -> dict[str, ByLayer]:
    """Directions at every layer, by name.

    ``refusal``: difference in means at the last token; ``harmfulness``: at the request's last token; ``refusal of the base``;
    ``picked``: the one vector that the search for a direction ended with; ``probe``: weights of the logistic probe; shifts of
    post-training on harmful prompts (``shift: naive`` and so on), and on harmless ones; ``random``.
    """
    first = fit["harmful"]
    wording = own_wording(first)
    refusal = gap(fit, "aligned", wording)
    found = {"refusal": refusal}
    if ("aligned", "instruction") in first.streams:
        found["harmfulness"] = gap(fit, "aligned", "instruction")
    if ("base", wording) in first.streams:
        found["refusal of the base"] = gap(fit, "base", wording)
    if picked is not None:
        found["picked"] = picked.double().cpu().expand_as(refusal)
    found["probe"] = _probe(fit, wording)
    if ("base", "template") in first.streams:
        for side in SIDES:
            moved = shifts(shifted(fit[side]))
            found |= {f"shift: {name}, {side} prompts": moved[name].mean(1) for name in VARIANTS}
    drawn = torch.randn(refusal.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return {**found, "random": drawn}


def shifted(read: Read) -> Streams:
    """The streams that shifts are made of."""
    return {key: value for key, value in read.streams.items() if key[1] != "instruction"}


def _probe(fit: dict[str, Read], wording: str) -> ByLayer:
    sides = [fit[side].streams["aligned", wording] for side in SIDES]
    y = np.arange(sum(side.shape[1] for side in sides)) < sides[0].shape[1]
    return torch.stack([torch.tensor(logistic_weights(x, y)) for x in torch.cat(sides, 1).numpy().astype(np.float64)])
