"""What a run leaves on the disk for one model, estimated from counts."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from anatomy.errors import StoreError
from anatomy.models.memory import say_bytes
from anatomy.models.size import ModelSize

BYTES_PER_TOKEN = 6
"""Text of a token in UTF-8, with room for languages of wider letters; Parquet's compression is left out."""

ROW = 500
"""Bytes of a row beside its texts: ids, labels, digests."""

COPIES = 4
"""A text lies in its shard, in a table of completions, and with its prompt in the judgements and the page."""


@dataclass(frozen=True)
class RunCounts:
    """What a run computes for one model.

    Attributes:
        contrasts: contrasts that directions are extracted under.
        positions: template positions.
        controls: control directions a contrast.
        adapters: low-rank edits that are served in one job, and lie in a private folder while it runs.
        kept_adapters: those that stay in ``results``.
        answers: completions.
        prompt_tokens: mean length of a rendered prompt.
        max_new_tokens: longest answer.
        benchmark_rows: lm-eval items times variants.
    """

    contrasts: int
    positions: int
    controls: int
    adapters: int
    kept_adapters: int
    answers: int
    prompt_tokens: int
    max_new_tokens: int
    benchmark_rows: int = 0


@dataclass(frozen=True)
class DiskEstimate:
    """Bytes.

    Attributes:
        extraction: directions, controls, means and mean inputs.
        adapters: kept ones.
        private: those of a running job, in the folder for temporary files.
        store: rows of the store and the tables assembled from them.
        free: what the disk under ``results`` has left.
    """

    extraction: int
    adapters: int
    private: int
    store: int
    free: int

    @property
    def results(self) -> int:
        return self.extraction + self.adapters + self.store


def estimate_disk(size: ModelSize, counts: RunCounts, results: Path) -> DiskEstimate:
    """Room taken by one model's part of a run, in bytes.

    - extraction, a contrast: ``positions * layers * d_model`` numbers for the direction and each control (float32) and for each
      side's mean (float64), and ``layers * (d_model + intermediate)`` for each side's mean inputs (float64; the input of
      ``o_proj`` is taken as ``d_model`` wide);
    - an adapter of rank 1 on ``o_proj`` and ``down_proj``: ``4 * layers * (3 * d_model + intermediate)``; of experts 4 times the
      rows and columns of what they write with, and ``8 * layers * d_model`` for ``o_proj``;
    - a row: its texts in several tables, and a constant.
    """
    grid = counts.positions * size.layers * size.d_model
    vectors = 4 * grid * (1 + counts.controls) + 2 * 8 * grid
    inputs = 2 * 8 * size.layers * (size.d_model + size.intermediate)
    mlp = size.expert_sides or size.layers * (size.d_model + size.intermediate)
    adapter = 4 * (2 * size.layers * size.d_model + mlp)
    text = BYTES_PER_TOKEN * (counts.prompt_tokens + counts.max_new_tokens)
    place = next(folder for folder in [results.absolute(), *results.absolute().parents] if folder.exists())
    return DiskEstimate(
        extraction=counts.contrasts * (vectors + inputs),
        adapters=counts.kept_adapters * adapter,
        private=counts.adapters * adapter,
        store=counts.answers * (COPIES * text + ROW) + 2 * ROW * counts.benchmark_rows,
        free=shutil.disk_usage(place).free,
    )


def require_disk(estimate: DiskEstimate, where: str) -> None:
    """Refuse a run that the disk has no room for.

    Raises:
        StoreError: less is free than will be written.
    """
    if estimate.results > estimate.free:
        raise StoreError(
            found=f"{say_bytes(estimate.free)} free",
            expected=f"{say_bytes(estimate.results)} for this model",
            where=where,
            remedy="make room, or set results to a folder on a larger disk",
        )
