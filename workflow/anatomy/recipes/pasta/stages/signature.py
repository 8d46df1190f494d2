"""From generations of the fit split to the signature, the contrasts and controls beside it, their geometry, and who writes it.

Every contrast has the format of an extraction (``anatomy.interventions.directions.extraction``), so that edits refer to it as to
any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import DataError, ModelError
from anatomy.interventions.directions.beside_signature import spread
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.extraction import write_contrast
from anatomy.interventions.directions.signature import contrast, orthogonal_directions, without
from anatomy.interventions.variant import Variant
from anatomy.models.activations.answer_writes import MeanWrite, mean_answer_writes
from anatomy.models.activations.answers import ALL, POSITIONS, AnswerSums, Forced, answer_sums, span_moments
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.recipes.pasta.edits import SIGNATURE, WITHOUT_REFUSAL
from anatomy.recipes.pasta.selected import SignatureCard
from anatomy.recipes.pasta.stages.prefix_prompts import phase_prefixes, put
from anatomy.recipes.pasta.stages.signature_geometry import geometry, writers_table
from anatomy.recipes.pasta.unedited import template_control, unedited
from anatomy.stages.generation_request import Manner
from anatomy.stages.opening import opened
from anatomy.store.digest import digest
from anatomy.store.files import write_json, write_table
from anatomy.texts.authors import HUMAN

PINS: tuple[str, ...] = ("tokenizers", "torch", "transformers")

SEED = {"orthogonal": 5_000, "equal_variance": 6_000, "sketch": 7_000}
FEWEST = 2
"""Prefixes a domain needs on both sides for a signature of its own."""


@dataclass(frozen=True)
class Side:
    """One model in one manner: the texts it reads."""

    texts: list[Forced]
    ids: list[str]
    weights: Tensor


@dataclass(frozen=True)
class Cut:
    """Parts of the prefixes that means are taken over: column 0 all, 1 and 2 halves by group, then domains in order."""

    prefixes: pd.DataFrame
    domains: tuple[str, ...]

    def weights(self, ids: list[str]) -> Tensor:
        rows = self.prefixes.set_index("id").loc[ids]
        half = [int(digest(["half", group]), 16) % 2 for group in rows["group"]]
        columns = [
            [1.0] * len(ids),
            [float(part == 0) for part in half],
            [float(part == 1) for part in half],
            *([float(domain == name) for domain in rows["category"]] for name in self.domains),
        ]
        return torch.tensor(columns, dtype=torch.float64).T.contiguous()


def extract_signature(
    config: Config,
    subjects: Mapping[str, Subject],
    cards: Mapping[str, ModelCard],
    generated: Mapping[str, pd.DataFrame],
    refusal: Directions,
    out: Path,
    say: Callable[[str], None],
) -> None:
    """Write every contrast of a pair, then ``geometry.parquet``, ``writers.parquet`` and the card.

    Args:
        subjects: the models, by ``aligned``, ``base`` and perhaps ``null``.
        cards: their cards.
        generated: their completions of the fit split.
        refusal: the aligned model's refusal directions: harmful minus harmless requests.
        out: path of the card; the payload lies beside it.

    Raises:
        ModelError: unlike tokenizers or shapes.
        DataError: no texts.
    """
    prefixes = phase_prefixes(config, subjects["aligned"], "fit")
    cut = Cut(prefixes, tuple(sorted(prefixes["category"].dropna().unique())))
    sums: dict[str, AnswerSums] = {}
    writes: dict[str, list[MeanWrite]] = {}
    empty: dict[str, int] = {}

    def sides(role: str, loaded: LoadedModel, wanted: Mapping[str, tuple[Manner, Variant | None]]) -> dict[str, Side]:
        # The null model is of another world, with prefixes of its own; the pair shares its world's.
        parts = cut if role != "null" else Cut(phase_prefixes(config, subjects["null"], "fit"), ())
        found = {}
        for name, (manner, variant) in wanted.items():
            found[name], empty[name] = read_side(config, subjects[role], loaded, parts, generated[role], manner, variant)
        return found

    budget = config.pasta.token_budget
    if "null" in cards:
        loaded = opened(cards["null"])
        for name, side in sides("null", loaded, {"null": ("document", unedited())}).items():
            sums[name] = answer_sums(loaded, side.texts, side.weights, token_budget=budget, ids=side.ids)
    loaded = opened(cards["base"])
    vocabulary = loaded.tokenizer.get_vocab()
    read = sides(
        "base",
        loaded,
        {
            "base": ("document", unedited()),
            "base_chat": ("chat", template_control("chat")),
            "base_human": ("document", None),
        },
    )
    for name, side in read.items():
        sums[name] = answer_sums(loaded, side.texts, side.weights, token_budget=budget, ids=side.ids)
        if name == "base":
            writes["base"] = mean_answer_writes(loaded, side.texts, token_budget=budget, ids=side.ids)
    loaded = opened(cards["aligned"])
    check_pair(vocabulary, loaded, cards)
    read = sides(
        "aligned",
        loaded,
        {
            "aligned": ("chat", unedited()),
            "aligned_document": ("document", template_control("document")),
            "aligned_human": ("chat", None),
            "aligned_human_document": ("document", None),
        },
    )
    for name, side in read.items():
        draws = config.pasta.sketch if name == "aligned" else 0
        sums[name] = answer_sums(
            loaded, side.texts, side.weights, token_budget=budget, draws=draws, seed=SEED["sketch"], ids=side.ids
        )
    own = read["aligned"]
    writes["aligned"] = mean_answer_writes(loaded, own.texts, token_budget=budget, ids=own.ids)
    say(f"{subjects['aligned'].id}: {len(own.texts)} texts, empty and left out: {empty}")

    means = {name: found.mean() for name, found in sums.items()}
    contrasts = contrasts_of(means)
    signature = contrasts[SIGNATURE]
    contrasts[WITHOUT_REFUSAL] = without(signature, refusal)
    controls, removed, domains = signature_controls(
        config, sums, signature, cut, lambda vectors: span_moments(loaded, own.texts, vectors, token_budget=budget, ids=own.ids)
    )
    both = {name: means[name] for name in ("aligned", "base")}
    written = {
        name: write_contrast(out.parent / name, directions, controls if name == SIGNATURE else {}, both)
        for name, directions in contrasts.items()
    }
    write_table(out.parent / "geometry.parquet", geometry(subjects["aligned"].id, contrasts, sums, controls, removed, refusal))
    write_table(out.parent / "writers.parquet", writers_table(subjects["aligned"].id, signature, writes))
    card: SignatureCard = {
        "models": {role: card["digest"] for role, card in cards.items()},
        "layers": loaded.num_layers,
        "contrasts": written,
        "domains": domains,
        "texts": {name: len(side.texts) for name, side in read.items()},
        "empty": empty,
    }
    write_json(out, card)


def read_side(
    config: Config,
    subject: Subject,
    loaded: LoadedModel,
    cut: Cut,
    generated: pd.DataFrame,
    manner: Manner,
    variant: Variant | None,
) -> tuple[Side, int]:
    """What a model is put through: its own texts of a variant, or the human's where none is named; empty ones left out.

    Returns:
        The side, and how many texts were empty.

    Raises:
        DataError: nothing is left.
    """
    if variant is None:
        texts = cut.prefixes.set_index("id")["response"].map(lambda text: " " + text.strip())
    else:
        texts = generated[(generated["variant"] == variant.id) & (generated["set"] == config.pasta.prefixes)].set_index("id")[
            "response"
        ]
    known = cut.prefixes[cut.prefixes["id"].isin(texts.index)]
    found = [
        (name, Forced(prompt, list(loaded.tokenizer(texts[name], add_special_tokens=False)["input_ids"])))
        for rendering, rows in put(config, subject, known, manner, loaded.tokenizer)
        for name, prompt in zip(rows["id"], render(loaded.tokenizer, list(rows["prompt"]), rendering), strict=True)
    ]
    kept = [(name, text) for name, text in found if text.answer]
    if not kept:
        raise DataError(
            found="no text with a token",
            expected="at least one",
            where=f"{subject.id}, {HUMAN if variant is None else variant.slug}",
            remedy="look at the generations of the fit split",
        )
    ids = [name for name, _ in kept]
    return Side([text for _, text in kept], ids, cut.weights(ids)), len(found) - len(kept)


def contrasts_of(means: Mapping[str, Tensor]) -> dict[str, Directions]:
    """The signature and the contrasts that say what else is in it (``recipes.pasta.edits.CONTRASTS``)."""
    sides = {
        SIGNATURE: ("aligned", "base"),
        "template_free": ("aligned_document", "base"),
        "template_only": ("base_chat", "base"),
        "same_text": ("aligned_human", "base_human"),
        "same_input": ("aligned_human_document", "base_human"),
        "null": ("null", "base"),
    }
    return {name: contrast(means[first], means[second], name) for name, (first, second) in sides.items() if first in means}


def signature_controls(
    config: Config, sums: Mapping[str, AnswerSums], signature: Directions, cut: Cut, moments: Callable[[Tensor], Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor], list[str]]:
    """Control directions of the signature, [control, position, layer, d_model].

    Returns:
        Families ``orthogonal``, ``equal_variance``, ``principal``, ``halves`` and ``domain`` (signatures inside a domain, in
        order of the domains); what ablating each of some removes, as a share of what ablating the signature does, by family
        [control, layer]; and the domains that have enough texts.
    """
    wanted, vectors = config.pasta.controls, signature.vectors.double()
    at_all = vectors[POSITIONS.index(ALL)]
    own, base = sums["aligned"], sums["base"]
    orthogonal = orthogonal_directions(vectors, max(wanted.orthogonal, wanted.swept), SEED["orthogonal"])
    randoms = orthogonal_directions(vectors, wanted.equal_variance, SEED["equal_variance"])[:, POSITIONS.index(ALL)]
    found = spread(at_all, own.mean()[POSITIONS.index(ALL)], own.centred_sketch(), randoms, moments)
    domains = [
        name for number, name in enumerate(cut.domains) if min(side.tokens[3 + number, 0] for side in (own, base)) >= FEWEST
    ]
    inside = [
        contrast(own.mean(3 + cut.domains.index(name)), base.mean(3 + cut.domains.index(name)), name).vectors.double()
        for name in domains
    ]
    both = len(POSITIONS)
    controls = {
        "orthogonal": orthogonal,
        "equal_variance": found.equal[:, None].expand(-1, both, -1, -1),
        "principal": found.principal.expand(1, both, -1, -1),
        "halves": (own.mean(1) - own.mean(2))[None],
        "domain": torch.stack(inside) if inside else torch.zeros(0, *vectors.shape),
    }
    removed = {"equal_variance": found.equal_share, "principal": found.principal_share[None], "signature": found.energy[None]}
    return {name: tensor.float() for name, tensor in controls.items()}, removed, domains


def check_pair(base: Mapping[str, int], aligned: LoadedModel, cards: Mapping[str, ModelCard]) -> None:
    """Refuse a pair that cannot be compared token by token and layer by layer.

    Raises:
        ModelError: a token of the base has another id in the aligned model, or the shapes differ.
    """
    theirs = aligned.tokenizer.get_vocab()
    if unlike := [token for token, number in base.items() if theirs.get(token) != number]:
        raise ModelError(
            found=f"{len(unlike)} tokens with other ids, such as {unlike[0]!r}",
            expected="the base's vocabulary",
            where=f"{cards['aligned']['id']} and {cards['base']['id']}",
            remedy="pair a model with the base it was trained from",
        )
    shapes = [[cards[role]["num_layers"], cards[role]["d_model"]] for role in ("aligned", "base")]
    if shapes[0] != shapes[1]:
        raise ModelError(
            found=f"layers and width {shapes[0]} and {shapes[1]}",
            expected="the same",
            where=f"{cards['aligned']['id']} and {cards['base']['id']}",
            remedy="pair a model with the base it was trained from",
        )
