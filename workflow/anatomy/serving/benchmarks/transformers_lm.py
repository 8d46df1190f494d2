"""A loaded model as lm-eval asks it: the harness' own transformers backend, while the module may be edited."""

from __future__ import annotations

from lm_eval.api.model import LM

from anatomy.models.imports import without_unused
from anatomy.models.loading import LoadedModel


def transformers_lm(loaded: LoadedModel, batch_size: int) -> LM:
    """lm-eval's backend over a model in memory; edits of the module act on what is scored next."""
    with without_unused():
        from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=batch_size)
