"""A published classifier of texts, opened from safetensors without code of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from anatomy.errors import DataError, ModelError
from anatomy.models.tokenizer import load_tokenizer

BATCH = 16


@dataclass(frozen=True)
class TextClassifier:
    """A sequence classifier with the label that is asked for."""

    model: Any
    tokenizer: Any
    label: int

    @classmethod
    def load(cls, folder: Path, label: str) -> TextClassifier:
        """Open a folder.

        Raises:
            ModelError: weights that are not safetensors, an architecture that transformers does not know, or a head that the
                file does not hold.
            DataError: a label that the model has not.
        """
        from transformers import AutoModelForSequenceClassification

        remedy = "convert the weights to safetensors, or name another classifier"
        if not list(Path(folder).glob("*.safetensors")):
            raise ModelError(
                found="no safetensors file", expected="weights as safetensors alone", where=str(folder), remedy=remedy
            )
        given = {"trust_remote_code": False, "local_files_only": True}
        try:
            model, loading = AutoModelForSequenceClassification.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, **given
            )
            tokenizer = load_tokenizer(Path(folder))
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                found=f"{type(error).__name__}: {error}", expected="a sequence classifier", where=str(folder), remedy=remedy
            ) from error
        if missing := sorted(loading["missing_keys"]):
            raise ModelError(
                found=f"no weights for {missing[0]}",
                expected="a trained classifier: transformers would draw these at random",
                where=str(folder),
                remedy="name a folder whose weights hold the classification head",
            )
        labels = {name: int(number) for number, name in model.config.id2label.items()}
        if label not in labels:
            raise DataError(
                found=f"label {label!r}",
                expected=f"one of {sorted(labels)}",
                where=f"{folder}/config.json, id2label",
                remedy="name the label that says harmful",
            )
        return cls(model.eval(), tokenizer, labels[label])

    @torch.inference_mode()
    def probabilities(self, texts: list[str]) -> list[float]:
        """The probability of the label for each text; what the model cannot read at once is cut off at its end."""
        longest = min(getattr(self.tokenizer, "model_max_length", 512), self.model.config.max_position_embeddings - 2)
        found: list[float] = []
        for start in range(0, len(texts), BATCH):
            batch = self.tokenizer(
                texts[start : start + BATCH], padding=True, truncation=True, max_length=longest, return_tensors="pt"
            )
            found += self.model(**batch).logits.float().softmax(-1)[:, self.label].tolist()
        return found
