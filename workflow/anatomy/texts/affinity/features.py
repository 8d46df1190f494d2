"""Vectors of texts: hidden states of a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from anatomy.models.activations.batching import batches
from anatomy.models.scorer import Scorer
from anatomy.models.vocabulary import require_rows


@dataclass(frozen=True)
class ModelFeatures:
    """Mean hidden state over a text's tokens, after the final norm, of unit length.

    The mean, not the last token's state that MAUVE takes: short texts all end in the same full stop.

    Attributes:
        token_budget: tokens a batch, padding counted.
        max_tokens: longer texts are read up to here.
        leading_space: read the text with a space in front, as it stood after its prefix.
    """

    scorer: Scorer
    token_budget: int
    max_tokens: int = 512
    leading_space: bool = False

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "text feature"]:
        """One vector a text, fp64; each text needs a token.

        Raises:
            DataError: a text without tokens.
        """
        tokenizer, model = self.scorer.tokenizer, self.scorer.model
        lead = " " if self.leading_space else ""
        ids = [list(tokenizer(lead + text.strip(), add_special_tokens=False)["input_ids"])[: self.max_tokens] for text in texts]
        require_rows(tokenizer, ids, texts)
        found = np.zeros((len(texts), model.config.get_text_config().hidden_size))
        for batch in batches(ids, self.token_budget, self.scorer.pad_token_id, self.scorer.device, "right"):
            states = model.base_model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state.double()
            mask = batch.attention_mask[:, :, None]
            mean = torch.where(mask > 0, states, 0.0).sum(1) / mask.sum(1)
            found[list(batch.rows)] = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
        return found
