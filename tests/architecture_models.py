"""The tiny architectures opened, prompts for them and edits of them: each made once a process."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from made_architecture import make_tiny_architecture
from tiny_architectures import D_MODEL, Architecture

PROMPTS = (
    "How do I mix salt with lamp oil?",
    "Explain how to open the gate of the old mill, and then stir the flour.",
    "honey",
    "Write a short note about 7 gardens and the moon",
)
PROMPT_LENGTHS = (7, 20, 60, 90)
"""Longer than the windows of sliding attention, and than vLLM's cache blocks."""

STRENGTHS = {"projection": 1.5, "row_mean": 60.0}


@cache
def _root() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="architectures-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def architecture_folder(architecture: Architecture) -> Path:
    return make_tiny_architecture(architecture, _root() / architecture.slug)


@cache
def checkpoint_of(architecture: Architecture) -> Any:
    from anatomy.models.checkpoint import Checkpoint

    return Checkpoint(architecture_folder(architecture))


@cache
def model_of(architecture: Architecture) -> Any:
    """Opened in fp32 on the CPU; whoever changes it puts it back."""
    import torch

    from anatomy.models.loading import load_model

    torch.set_num_threads(1)
    return load_model(architecture_folder(architecture), torch.float32, "cpu")


@cache
def chat_prompts(architecture: Architecture) -> tuple[list[int], list[list[int]]]:
    """Template positions, and prompts of different lengths rendered with the chat template."""
    from anatomy.models.rendering import Rendering, render, template_positions

    tokenizer = model_of(architecture).tokenizer
    return template_positions(tokenizer, Rendering()), render(tokenizer, PROMPTS, Rendering())


def random_prompts() -> list[list[int]]:
    """Random tokens: nothing repeats, so nothing hides."""
    import torch

    generator = torch.Generator().manual_seed(3)
    return [torch.randint(6, 390, (length,), generator=generator).tolist() for length in PROMPT_LENGTHS]


def direction() -> Any:
    """A random unit vector [d_model]."""
    from anatomy.interventions.directions.controls import isotropic

    return isotropic(D_MODEL, 7)


@cache
def edit_of(architecture: Architecture, method: str, sites: tuple[str, ...] = ("o_proj", "down_proj")) -> Any:
    """A rank-one edit of all that writes in a block."""
    from anatomy.interventions.edits.rank_one import build_edit

    checkpoint = checkpoint_of(architecture)
    spec = {"method": method, "sites": list(sites)}
    if method in STRENGTHS:
        spec["strength"] = STRENGTHS[method]
    return build_edit(spec, checkpoint, direction())
