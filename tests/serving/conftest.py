"""Fixtures of the serving tests: one engine, its model in memory, edits of it, prompts longer than a cache block."""

import pytest
import torch
from rank_one import apply_in_memory, rank_one_factors, write_rank_one
from shared_engine import served_model, shared_engine

from anatomy.models.loading import load_model

STRENGTHS = (1.5, -0.9, 0.8, -1.2, 2.0)


@pytest.fixture(scope="module")
def engine():
    """The shared engine, opened anew where a module before this one had to close it."""
    return shared_engine()


@pytest.fixture(scope="session")
def base():
    return load_model(served_model(), torch.float32, "cpu")


@pytest.fixture(scope="session")
def edits(base, tmp_path_factory):
    """``(adapter folder, model with the same edit in memory)``; one more than the engine computes at a time."""
    root = tmp_path_factory.mktemp("adapters")
    made = []
    for number, strength in enumerate(STRENGTHS):
        factors = rank_one_factors(base.model, seed=number, strength=strength)
        edited = load_model(served_model(), torch.float32, "cpu")
        apply_in_memory(edited.model, factors)
        made.append((write_rank_one(root / str(number), factors), edited))
    return made


@pytest.fixture(scope="session")
def prompts() -> list[list[int]]:
    """Random prompts of 5 to 400 tokens; the long ones span several cache blocks and share their beginnings."""
    generator = torch.Generator().manual_seed(3)
    long = torch.randint(6, 390, (400,), generator=generator).tolist()
    short = [torch.randint(6, 390, (5 + 3 * row,), generator=generator).tolist() for row in range(6)]
    return [*short, long[:300], long[:320], long[:350], long]
