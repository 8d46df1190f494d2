"""What every row is measured under: model, device, threads, repeats, where scratch files go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
MMLU = ROOT.parent / "shared" / "data" / "mmlu"
"""Real MMLU questions beside the checkout: ``<subject>_test.csv``, columns question, A, B, C, D, answer."""


@dataclass(frozen=True)
class Setting:
    """How the table is measured.

    Args:
        scratch: a private folder for models, adapters and exports; removed at the end.
        size: a shape of ``random_model.SIZES``.
        repeats: alternated repeats of each side.
        quick: few items, to see that everything runs; its numbers mean nothing.
        threads: of torch and of vLLM's CPU backend.
        mmlu: folder of real MMLU questions, or None.
    """

    scratch: Path
    size: str = "100m"
    repeats: int = 3
    quick: bool = False
    threads: int = 1
    mmlu: Path | None = MMLU

    @cached_property
    def device(self) -> str:
        from anatomy.serving.environment import installed_set

        return installed_set()

    def of(self, full: int, quick: int) -> int:
        """A number of items: the real one, or that of a quick look."""
        return quick if self.quick else full

    def model(self, vocabulary: int = 8192, dtype: str = "float32") -> Path:
        """Folder of the random model; made at the first call."""
        from speed.random_model import make_model

        vocabulary = self.of(vocabulary, 512)
        return make_model(self.scratch / f"{self.size}-{vocabulary}-{dtype}", self.size, vocabulary, dtype)

    def loaded(self, vocabulary: int = 8192, dtype: str = "float32") -> Any:
        """The same in memory (``anatomy.models.loading.LoadedModel``)."""
        import torch

        from anatomy.models.loading import load_model

        return load_model(self.model(vocabulary, dtype), getattr(torch, dtype), self.device)

    def engine(self, vocabulary: int = 8192, dtype: str = "float32", **options: Any) -> Any:
        """A closed engine over it; both sides of a row get their answers from the same one."""
        from anatomy.serving.engine import Engine

        return Engine(
            self.model(vocabulary, dtype),
            dtype=dtype,
            max_model_len=self.of(3072, 2048),
            seed=0,
            kv_cache_bytes=2**30,
            threads=self.threads,
            **options,
        )

    def label(self, vocabulary: int = 8192, dtype: str = "float32") -> str:
        """The model in words, for the table."""
        from anatomy.models.checkpoint import Checkpoint

        checkpoint = Checkpoint(self.model(vocabulary, dtype))
        parameters = sum(prod(checkpoint.shape(name)) for name in checkpoint.names())
        return f"{parameters / 1e6:.0f} M, vocabulary {checkpoint.config['vocab_size']}, {dtype}"
