"""One answer, token by token, each with the projection of the state that it was chosen from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.errors import DataError
from anatomy.models.activations.hooks import reading
from anatomy.models.loading import LoadedModel
from anatomy.serving.decoding import Decoding, cut_at_stop
from anatomy.serving.next_tokens import next_tokens
from anatomy.serving.transformers_generation import end_tokens

UNFINISHED = "\ufffd"
"""What a decoder writes for the beginning of a character whose other bytes have not come yet."""


@dataclass(frozen=True)
class Place:
    """Where a direction is read.

    Attributes:
        direction: at unit norm, fp32.
        layer: l is the input of block l, 0-based.
        harmless, harmful: what prompts of either side project to, on average; the ends of the scale.
    """

    direction: Float[Tensor, " d_model"]
    layer: int
    harmless: float
    harmful: float

    def share(self, projection: float) -> float:
        """Where a projection lies between the two means: 0 at the harmless one, 1 at the harmful one, cut there."""
        width = self.harmful - self.harmless
        return min(1.0, max(0.0, (projection - self.harmless) / width)) if width else 0.5


@dataclass(frozen=True)
class Piece:
    """A token of an answer.

    Attributes:
        text: what it adds to the answer; empty while a character is not finished.
        projection: on the direction, of the state at ``Place.layer`` that the token was chosen from; None without a place.
        end: why the answer ends with it: ``stop``, ``length``, or None where it goes on.
    """

    text: str
    projection: float | None
    end: str | None


@torch.inference_mode()
def pieces(loaded: LoadedModel, token_ids: list[int], decoding: Decoding, seed: int, place: Place | None) -> Iterator[Piece]:
    """Decode one prompt as ``generate_with_transformers`` does, and give every token as it comes.

    Raises:
        DataError: prompt and answer are longer than the model's context.
        NumericsError: logits are NaN or infinite.
    """
    _require_room(loaded, len(token_ids) + decoding.max_new_tokens)
    ends, generators = end_tokens(loaded), [None if decoding.greedy else torch.Generator().manual_seed(seed)]
    tokens = torch.tensor([token_ids], device=loaded.device)
    written: list[int] = []
    cache, told = None, ""
    states: list[Tensor] = []
    for number in range(decoding.max_new_tokens):
        states.clear()
        with _read(loaded, place, states):
            output = loaded.model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache = output.past_key_values
        chosen = next_tokens(output.logits[:, -1].float(), decoding, generators)
        written.append(int(chosen[0]))
        whole = loaded.tokenizer.decode(written, skip_special_tokens=True)
        cut = cut_at_stop(whole, decoding.stop)
        ended = written[-1] in ends or cut != whole
        last = ended or number + 1 == decoding.max_new_tokens
        text = "" if cut.endswith(UNFINISHED) and not last else cut[len(told) :]
        told += text
        found = float(states[0].float().cpu() @ place.direction) if place else None
        yield Piece(text, found, "stop" if ended else "length" if last else None)
        if last:
            return
        tokens = chosen[:, None].to(loaded.device)


def _read(loaded: LoadedModel, place: Place | None, states: list[Tensor]) -> AbstractContextManager[None]:
    """In the context, the last token's state at the place is put into the list; nothing is without a place."""
    if place is None:
        return nullcontext()
    return reading(loaded.model, [place.layer], lambda _, state: states.append(state[0, -1]), stop=False)


def _require_room(loaded: LoadedModel, needed: int) -> None:
    most = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    if most is not None and needed > most:
        raise DataError(
            found=f"{needed} tokens of prompt and answer",
            expected=f"at most {most}, the model's context",
            where="the message",
            remedy="write less, or ask for fewer tokens (/tokens)",
        )
