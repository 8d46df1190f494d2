"""A causal language model that scores texts, from a local folder, with a LoRA adapter merged where one is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from anatomy.errors import ModelError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.configuration import attention_implementation
from anatomy.models.loading import open_weights
from anatomy.models.size import weights_size
from anatomy.models.vocabulary import filler
from anatomy.store.digest import LENGTH, file_digest

ADAPTER = "adapter_model.safetensors"


@dataclass(frozen=True)
class Scorer:
    """A model of any architecture with logits, in evaluation mode, with its tokenizer.

    Attributes:
        digest: of the folder's files, and of the adapter's weights where one was merged.
    """

    model: Any
    tokenizer: Any
    digest: str

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def pad_token_id(self) -> int:
        """Id used to fill padding; masked everywhere (``vocabulary.filler``)."""
        return filler(self.tokenizer, self.model.get_input_embeddings().weight.shape[0])


def open_scorer(folder: Path, dtype: torch.dtype, device: torch.device | str, adapter: Path | None = None) -> Scorer:
    """Open a scorer; any architecture that transformers knows, since nothing but logits is read.

    Args:
        device: as ``anatomy.models.machine.devices.device_name`` says.
        adapter: folder of a PEFT LoRA, such as ImBD's on gpt-neo-2.7B; merged in ``dtype``.

    Raises:
        ModelError: as ``load_model``; or an unusable adapter, or one in pickles.
    """
    checkpoint = Checkpoint(Path(folder))
    model, tokenizer = open_weights(
        checkpoint, weights_size(checkpoint), dtype, int(torch.device(device).type == "cuda"), _attention
    )
    digest = checkpoint.digest()
    if adapter is not None:
        model, digest = _merged(model, Path(adapter)), f"{digest}+{file_digest(Path(adapter) / ADAPTER)[:LENGTH]}"
    model.to(device).eval().requires_grad_(False)
    return Scorer(model, tokenizer, digest)


def _attention(config: Any) -> str | None:
    # Not every architecture has the fused one, so transformers chooses, but where it would leave a cap out.
    return "eager" if attention_implementation(config) == "eager" else None


def _merged(model: Any, adapter: Path) -> Any:
    if not (adapter / ADAPTER).is_file():
        raise ModelError(
            found=f"no {ADAPTER}",
            expected="a LoRA adapter in safetensors",
            where=str(adapter),
            remedy="pickled adapters are refused: convert it",
        )
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            found=f"{type(error).__name__}: {error}",
            expected="an adapter that fits the model",
            where=str(adapter),
            remedy="check which model it was trained on",
        ) from error
