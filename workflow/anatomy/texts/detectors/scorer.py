"""A causal language model that scores texts, from a local folder, with a LoRA adapter merged where one is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from anatomy.errors import ModelError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.imports import without_unused
from anatomy.models.loading import LoadedModel


@dataclass(frozen=True)
class Scorer:
    """A model in evaluation mode, its tokenizer, and the digest of its files."""

    model: Any
    tokenizer: Any
    digest: str

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device


def open_scorer(folder: Path, dtype: torch.dtype, device: torch.device | str, adapter: Path | None = None) -> Scorer:
    """Open a scorer; any architecture that transformers knows, since nothing but logits is read.

    Args:
        adapter: folder of a PEFT LoRA, such as ImBD's on gpt-neo-2.7B; merged in ``dtype``.

    Raises:
        ModelError: an unusable folder or adapter, weights in pickles, or weights that do not fill the architecture.
    """
    with without_unused():
        from transformers import AutoModelForCausalLM, AutoTokenizer

    checkpoint = Checkpoint(Path(folder))
    options = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise ModelError(
            found=f"{type(error).__name__}: {error}",
            expected="a folder that transformers opens",
            where=str(folder),
            remedy="check that weights, configuration and tokenizer belong together",
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            found=f"{len(missing)} weights missing, such as {missing[0]}",
            where=str(folder),
            expected="every weight of the architecture",
            remedy="check that config.json belongs to these weights",
        )
    digest = checkpoint.digest()
    if adapter is not None:
        model, digest = _merged(model, Path(adapter)), f"{digest}+{_adapter_digest(Path(adapter))}"
    model.to(device).eval().requires_grad_(False)
    return Scorer(model, tokenizer, digest)


def as_scorer(loaded: LoadedModel) -> Scorer:
    """A model that is open already, as a scorer."""
    return Scorer(loaded.model, loaded.tokenizer, loaded.digest)


def _merged(model: Any, adapter: Path) -> Any:
    if not (adapter / "adapter_model.safetensors").is_file():
        raise ModelError(
            found="no adapter_model.safetensors",
            expected="a LoRA adapter in safetensors",
            where=str(adapter),
            remedy="pickled adapters are refused: convert it",
        )
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            found=f"{type(error).__name__}: {error}",
            expected="an adapter that fits the model",
            where=str(adapter),
            remedy="check which model it was trained on",
        ) from error


def _adapter_digest(adapter: Path) -> str:
    from anatomy.store.digest import LENGTH, file_digest

    return file_digest(adapter / "adapter_model.safetensors")[:LENGTH]
