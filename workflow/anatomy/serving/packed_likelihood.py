"""Log-likelihoods of several continuations of one context from packed rows (``packed_rows``) of a transformers module.

The way for long choices on a CPU, where prefill is bound by matrix products: a context is computed once, the output head is
applied only to rows that are asked for, and probabilities are taken only at the tokens asked for. It costs a second copy of
the weights beside the engine's, which keeps its own in another layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.errors import ModelError
from anatomy.models.loading import LoadedModel, load_model
from anatomy.serving.environment import installed_set
from anatomy.serving.likelihood import Likelihood, checked
from anatomy.serving.packed_rows import Family, PackedBatch, Question, families, packed_batches

TOKEN_BUDGET = 1024
"""Tokens of a batch; matrix products gain nothing beyond it on a CPU."""

HEAD_ROWS = 256
"""Rows of logits over the whole vocabulary that are in memory at once."""

PLAIN_ROPE = (None, "default", "linear", "llama3", "yarn")
"""Rotary embeddings that depend on a token's position alone and not on the longest one in the batch."""


def unpackable(config: Any) -> str | None:
    """Why a model's rows cannot be packed, from its transformers configuration; None where nothing speaks against it.

    What a configuration does not say (a state that runs along the row, a scaled head) ``PackedScorer`` finds by a trial.
    """
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"]) - {"full_attention"}
    window = getattr(text, "sliding_window", None)
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None) or {}
    rope_type = rope.get("rope_type", rope.get("type"))
    if kinds:
        return f"layers of {', '.join(sorted(kinds))}"
    if window is not None and getattr(text, "use_sliding_window", True):
        return f"a sliding window of {window} tokens"
    if getattr(text, "attn_logit_softcapping", None) or getattr(text, "final_logit_softcapping", None):
        return "capped logits"
    if rope_type not in PLAIN_ROPE:
        return f"{rope_type} rotary embeddings"
    if getattr(config, "is_encoder_decoder", False) or not getattr(text, "is_causal", True):
        return "attention that is not causal"
    return None


class PackedScorer:
    """Scores continuations on a loaded model, in whatever state its weights are when asked.

    Args:
        loaded: the model; edits are applied to it by the caller (``anatomy.interventions.edits.apply``).
        token_budget: tokens of a batch, padding counted.

    Raises:
        ModelError: the architecture, or a trial, says that packed rows would not give the model's own numbers.
    """

    def __init__(self, loaded: LoadedModel, token_budget: int = TOKEN_BUDGET) -> None:
        self.loaded, self.token_budget = loaded, token_budget
        reason = unpackable(loaded.model.config) or self._differs_from_plain()
        if reason is not None:
            raise ModelError(
                found=reason,
                expected="full causal attention and a plain output head",
                where=str(loaded.folder),
                remedy="score this model's continuations one by one (continuation_likelihoods)",
            )

    def score(self, questions: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]) -> list[list[Likelihood]]:
        """Log-probability of each continuation of each context, summed over its tokens in float64.

        Args:
            questions: a context's token ids and its continuations; equal continuations are computed once.

        Returns:
            For each question one ``Likelihood`` a continuation, in order.

        Raises:
            NumericsError: a log-probability is NaN.
        """
        distinct = [Question(tuple(context), tuple(dict.fromkeys(map(tuple, rest)))) for context, rest in questions]
        found: dict[tuple[int, tuple[int, ...]], Likelihood] = {}
        with torch.inference_mode():
            for family in families(distinct):
                cache = self._prefix(family)
                for batch in packed_batches(distinct, family, self.token_budget, self.loaded.pad_token_id):
                    keys = [(place, one) for place in batch.places for one in distinct[place].continuations]
                    found.update(zip(keys, self._batch(batch, len(family.prefix), cache, keys), strict=True))
        return [[found[place, tuple(one)] for one in rest] for place, (_context, rest) in enumerate(questions)]

    def _prefix(self, family: Family) -> list[tuple[Tensor, Tensor]]:
        if not family.prefix:
            return []
        ids = torch.tensor([family.prefix], device=self.loaded.device)
        cache = self.loaded.model.base_model(input_ids=ids, use_cache=True).past_key_values
        return [(layer.keys, layer.values) for layer in cache.layers]

    def _batch(
        self, batch: PackedBatch, shared: int, prefix: list[tuple[Tensor, Tensor]], keys: Sequence[tuple[int, tuple[int, ...]]]
    ) -> list[Likelihood]:
        from transformers import DynamicCache

        device, (rows, width) = self.loaded.device, batch.input_ids.shape
        model = self.loaded.model
        # Not -inf: padding sees nothing but itself, and eager attention would turn a row without any key into NaN.
        mask = torch.zeros(rows, 1, width, shared + width, dtype=model.dtype)
        mask[:, 0, :, shared:].masked_fill_(~batch.visible, torch.finfo(model.dtype).min)
        cache = DynamicCache([(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in prefix]) if prefix else None
        hidden = model.base_model(
            input_ids=batch.input_ids.to(device),
            attention_mask=mask.to(device),
            position_ids=batch.position_ids.to(device),
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state
        logprobs, greedy = self._at_targets(hidden[batch.scored[:, 0], batch.scored[:, 1]], batch)
        total = torch.zeros(len(keys), dtype=torch.float64).index_add_(0, batch.owners, logprobs)
        missed = torch.zeros(len(keys), dtype=torch.long).index_add_(0, batch.owners, (~greedy).long())
        return [
            Likelihood(checked(float(value), key[0]), not misses)
            for value, misses, key in zip(total, missed.tolist(), keys, strict=True)
        ]

    def _at_targets(self, hidden: Float[Tensor, "scored d_model"], batch: PackedBatch) -> tuple[Tensor, Tensor]:
        """Log-probability [token] float64 of each token asked for, and whether it is the likeliest."""
        head = self.loaded.model.get_output_embeddings()
        logprobs, greedy = torch.empty(len(batch.asked), dtype=torch.float64), torch.empty(len(batch.asked), dtype=torch.bool)
        for start in range(0, len(hidden), HEAD_ROWS):
            logits = head(hidden[start : start + HEAD_ROWS]).float().cpu()
            here = (batch.asked >= start) & (batch.asked < start + HEAD_ROWS)
            rows, targets = batch.asked[here] - start, batch.targets[here]
            logprobs[here] = (logits[rows, targets] - logits.logsumexp(-1)[rows]).double()
            greedy[here] = logits.argmax(-1)[rows] == targets
        return logprobs, greedy

    def _differs_from_plain(self) -> str | None:
        """Score a few invented questions, with a prefix and padding, and compare with whole passes of the model itself."""
        vocabulary = min(self.loaded.model.config.get_text_config().vocab_size, 997)
        ids = [(7 * place * place + 3 * place + 5) % vocabulary for place in range(80)]
        questions = [(ids[:40], [ids[50:54], ids[60:61]]), (ids[:36] + ids[62:64], [ids[70:75], ids[50:53], ids[74:79]])]
        try:
            packed = self.score(questions)
        except Exception as error:  # whatever an architecture does not know of its inputs: then it takes the plain way
            return f"rows that it cannot compute packed ({type(error).__name__}: {error})"
        for (context, continuations), row in zip(questions, packed, strict=True):
            for continuation, found in zip(continuations, row, strict=True):
                expected = self._plain(context, continuation)
                # Rounding moves such a sum by 1e-6 of itself in fp32 and by about 1e-2 in 16 bits.
                rounding = 1e-3 * abs(expected) if self.loaded.model.dtype == torch.float32 else 0.05 * abs(expected)
                if abs(found.logprob - expected) > rounding:
                    return f"packed rows that give {found.logprob:.4f} where the model gives {expected:.4f}"
        return None

    def _plain(self, context: Sequence[int], continuation: Sequence[int]) -> float:
        ids = torch.tensor([[*context, *continuation]], device=self.loaded.device)
        with torch.inference_mode():
            logits = self.loaded.model(input_ids=ids, use_cache=False).logits[0, len(context) - 1 : -1]
        targets = torch.tensor(list(continuation), device=ids.device)
        return float(logits.float().log_softmax(-1).double().gather(1, targets[:, None]).sum())


def open_packed(folder: Path, dtype: str, say: Callable[[str], None] | None = None) -> PackedScorer | None:
    """The packed scorer of a model beside an engine, or None with the reason said: then the engine scores one by one.

    For the CPU alone: on a GPU the engine's prefix cache, in blocks of 16, serves shared contexts without a second copy of
    the weights.

    Args:
        folder: the engine's model.
        dtype: the engine's.
        say: receives the reason.
    """
    if installed_set() != "cpu":
        return None
    try:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        if reason := unpackable(config):  # before the weights are read
            raise ModelError(found=reason, expected="full causal attention", where=str(folder))
        return PackedScorer(load_model(folder, getattr(torch, dtype), "cpu"))
    except ModelError as error:
        if say is not None:
            say(f"long choices are scored one by one by the engine: {error.found}")
        return None
