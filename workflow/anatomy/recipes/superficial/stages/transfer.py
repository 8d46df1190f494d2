"""The transferable head: trained on the base's largest logits, attached to other models that share the tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float32
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.interventions.heads.cache import Shard
from anatomy.interventions.heads.head_model import FullHead
from anatomy.interventions.heads.same_tokens import require_same_tokens
from anatomy.interventions.heads.states import answer_states
from anatomy.interventions.heads.targets import require_k
from anatomy.interventions.heads.training import held_out, train_head
from anatomy.interventions.heads.transferable import TopLogits, attached, require_square, space_similarity, top_logits
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel, load_model
from anatomy.models.machine.devices import device_name
from anatomy.models.rendering import render
from anatomy.progress.counting import counted
from anatomy.recipes.superficial.maker import schedule_of
from anatomy.recipes.superficial.options import Transfer
from anatomy.recipes.superficial.stages.answered import answered
from anatomy.serving.transformers_generation import generate_with_transformers
from anatomy.stages.answers import decoding_of
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.texts.judges.refusal_rules import judge_refusal

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

AS_IS, ATTACHED = "as it is", "with the head"
TRANSFER = ["model", "target", "arm", "set", "id", "group", "value"]
SWEEP = ["model", "k", "target", "held_out", "accuracy", "similarity"]
SPAN = 32
"""Tokens of the vocabulary for each logit vector whose span is compared: 1,000 of 32,000 in the paper."""


def open_family(members: Mapping[str, tuple[Subject, ModelCard]]) -> dict[str, tuple[Subject, LoadedModel]]:
    """Models of a family, by their role, each with who it is."""
    return {
        role: (subject, load_model(Path(card["folder"]), getattr(torch, card["dtype"]), device_name()))
        for role, (subject, card) in members.items()
    }


def train_transferable(
    weight: Float32[Tensor, "vocabulary d_model"], cached: Shard, options: Transfer, k: int, seed: int, say: Callable[[str], None]
) -> tuple[Float32[Tensor, "vocabulary vocabulary"], float]:
    """T with ``l + T topk(l)`` near the aligned model's distributions, l the base's logits; and its held-out divergence.

    Raises:
        ConfigError: k above the vocabulary, or a vocabulary whose square is too large.
    """
    vocabulary = weight.shape[0]
    require_k(k, vocabulary, "superficial.transfer")
    require_square(vocabulary, "superficial.transfer")
    inputs = TopLogits(cached.features, weight, k)
    validation = held_out(cached.lengths, options.training.held_out, torch.Generator().manual_seed(seed))
    head = FullHead.of(torch.zeros(vocabulary, vocabulary))
    trained = train_head(
        head,
        inputs,
        cached.targets,
        validation,
        schedule_of(options.training),
        say,
        offset=inputs.logits,
    )
    found = f"{trained.before:.3f} to {trained.best:.3f} nats a token"
    say(f"transferable head, k {k}: held-out divergence {found} after {trained.epoch} epochs ({trained.outcome})")
    return head.matrix, trained.best


def refusals_of(
    config: Config,
    models: Mapping[str, tuple[Subject, LoadedModel]],
    matrix: Float32[Tensor, "vocabulary vocabulary"],
    unattached: str,
    say: Callable[[str], None],
) -> pd.DataFrame:
    """Whether each model refuses harmful and benign requests of the test split, as it is and with the head. Texts are not kept.

    Args:
        models: name to a model; the one called ``unattached`` answers only as it is.

    Returns:
        Columns ``target, arm, set, id, group, value`` (1 where refused, by rules).
    """
    tables = []
    for name, (subject, loaded) in counted(list(models.items()), "models answered", len(models)):
        for arm in (AS_IS,) if name == unattached else (AS_IS, ATTACHED):
            for prompts_of in config.evaluation.pair:
                limit = config.evaluation.test_prompts
                prompts = phase_prompts(Layout(config.results), subject, prompts_of, "test", limit)
                with attached(loaded.model, matrix, _k(config)) if arm == ATTACHED else nullcontext():
                    found = generate_with_transformers(
                        loaded,
                        render(loaded.tokenizer, list(prompts["prompt"]), answer_rendering(config.evaluation, subject)),
                        decoding_of(config.evaluation),
                        batch_size=config.serving.batch_size,
                        seeds=[config.evaluation.seed] * len(prompts),
                    )
                refused = [float(judge_refusal(one.text).label in ("full", "partial")) for one in found]
                named = {"target": name, "arm": arm, "set": prompts_of}
                tables.append(prompts[["id", "group"]].assign(**named, value=refused))
                say(f"{name} {arm}: refuses {sum(refused) / len(refused):.2f} of {prompts_of}")
    return pd.concat(tables, ignore_index=True)


def sweep(
    config: Config,
    base: tuple[Subject, LoadedModel],
    others: Mapping[str, tuple[Subject, LoadedModel]],
    answers: pd.DataFrame,
    matrices: Mapping[int, tuple[Float32[Tensor, "vocabulary vocabulary"], float]],
) -> pd.DataFrame:
    """What each k brings: agreement with the aligned model's answers from the base's logits and from others', and similarity.

    Args:
        answers: the aligned model's answers to test prompts.
        matrices: k to a head and its held-out divergence.

    Returns:
        Columns ``k, target, held_out, accuracy`` (share of the answers' tokens that are the likeliest) and ``similarity`` of the
        spaces of the target's and the base's k largest logits; 1 for the base itself.
    """
    rows, own = [], None
    for name, (subject, loaded) in {"base": base, **others}.items():
        roles = {"base": subject}
        texts = answered(answers, config.evaluation, roles, loaded.tokenizer, f"test answers that {subject.id} reads")
        reads = sorted(
            answer_states(loaded, texts.prompts["base"], texts.answers, config.extraction.token_budget), key=lambda read: read.row
        )
        weight = loaded.model.get_output_embeddings().weight.detach().float().cpu()
        logits = torch.cat([read.final for read in reads]).float() @ weight.T
        said = torch.tensor([token for ids in texts.answers for token in ids])
        own = logits if own is None else own
        few = torch.linspace(0, len(logits) - 1, min(len(logits), max(2, len(weight) // SPAN))).round().long()
        for k, (matrix, divergence) in matrices.items():
            changed = logits + top_logits(logits, k) @ matrix.T
            alike = space_similarity(top_logits(own[few], k), top_logits(logits[few], k))
            accuracy = float((changed.argmax(1) == said).float().mean())
            rows.append({"k": k, "target": name, "held_out": divergence, "accuracy": accuracy, "similarity": alike})
    return pd.DataFrame(rows)


def require_family(models: Mapping[str, tuple[Subject, LoadedModel]], base: LoadedModel) -> None:
    """Refuse (``ModelError``) models that do not share the base's tokenizer."""
    for name, (_, loaded) in models.items():
        require_same_tokens(base.tokenizer, loaded.tokenizer, f"superficial.transfer.to, {name}")


def all_k(options: Transfer) -> Sequence[int]:
    """The k that is used, then those that stand beside it."""
    return list(dict.fromkeys([options.k, *options.sweep]))


def _k(config: Config) -> int:
    assert config.superficial.transfer is not None
    return config.superficial.transfer.k
