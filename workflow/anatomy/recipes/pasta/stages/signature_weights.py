"""The signature taken out of the weights: how far the rank-one form is from the hooks it stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import EditError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.form_gap import form_gap
from anatomy.models.activations.interventions import intervening
from anatomy.models.card import ModelCard
from anatomy.models.rendering import render
from anatomy.models.sites import BLOCK_SITES, EMBEDDING_SITE, StreamSite, WriterSite
from anatomy.recipes.pasta.edits import WRITES, ablation, orthogonalised_weights
from anatomy.recipes.pasta.options import PAPER_SITES
from anatomy.recipes.pasta.selected import SelectedSignature
from anatomy.recipes.pasta.stages.prefix_prompts import phase_prefixes, put
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.opening import opened

PINS: tuple[str, ...] = ("tokenizers", "torch", "transformers")

COLUMNS = ["model", "layer", "matrices", "hook_sites", "effect", "gap", "prompts", "reason"]
PROMPTS = 16


def weight_gaps(
    config: Config,
    subject: Subject,
    model: ModelCard,
    model_edits: ModelEdits,
    selected: SelectedSignature,
    say: Callable[[str], None],
) -> pd.DataFrame:
    """One row for each pair of forms: matrices that were made orthogonal to v, and sites where hooks took v out.

    What attention and MLPs write can be taken out either way. The hooks also take v out of the embedding, so the full form
    needs the embedding too; against the three sites the form without it is no equal, and its gap says by how much.
    """
    loaded = opened(model)
    prefixes = phase_prefixes(config, subject, "test").head(PROMPTS)
    tokens = [
        ids
        for rendering, rows in put(config, subject, prefixes, "chat", loaded.tokenizer)
        for ids in render(loaded.tokenizer, list(rows["prompt"]), rendering)
    ]
    layer, blocks = selected["layer"], list(BLOCK_SITES)
    forms: list[tuple[list[WriterSite], Sequence[StreamSite]]] = [
        (blocks, WRITES),
        ([*blocks, EMBEDDING_SITE], PAPER_SITES),
        (blocks, PAPER_SITES),
    ]
    rows = []
    for matrices, sites in forms:
        effect, gap, reason = float("nan"), float("nan"), ""
        try:
            edit = model_edits.low_rank({**orthogonalised_weights(layer), "sites": matrices})
            hooks = model_edits.intervention(ablation(config.pasta, layer, sites=sites))
            found = form_gap(
                loaded, tokens, lambda edit=edit: applied(loaded, edit), lambda hooks=hooks: intervening(loaded.model, [hooks])
            )
            effect, gap = found.effect, found.gap
        except EditError as error:
            reason = str(error).splitlines()[0]
        say(f"{'+'.join(matrices)} against hooks at {'+'.join(sites)}: gap {gap:.2g} of {effect:.3g} {reason}")
        rows.append([subject.id, layer, "+".join(matrices), "+".join(sites), effect, gap, len(tokens), reason])
    return pd.DataFrame(rows, columns=COLUMNS)
