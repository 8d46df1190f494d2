"""Scores of single directions on single prompts, beside those of the authors' own functions.

``authors_scores.csv`` holds what ``pipeline/submodules/select_direction.py`` of github.com/andyrdt/refusal_direction (commit
9d852fae1a9121c78b29142de733cb1340770cc3) gave on SmolLM2-135M-Instruct, dequantised from Q4_1, in float32: ``get_refusal_scores``
and ``kl_div_fn`` with its own hooks, left padding and refusal tokens 57 (I) and 1653 (As), for ten directions and the first six
prompts of each validation file. Directions come from 128 prompts a side.
"""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from real_models import SMOLLM2, real_folder

from anatomy.interventions.directions import ablation
from anatomy.interventions.directions.candidates import difference_in_means
from anatomy.interventions.directions.prompt_scores import CRITERIA, PromptScores
from anatomy.models.activations.means import mean_activations
from anatomy.models.loading import load_model
from anatomy.models.rendering import Rendering, render

pytestmark = pytest.mark.weights

TOKENS, PROMPTS = (57, 1653), 6
TOLERANCE = 5e-5
"""Measured: 1.9e-5 and 2.5e-5 a prompt (with other orders of adding up), in float32, of log-odds and divergences of up to 7."""

THEIR_TERM = 1e-6
"""What their ``kl_div_fn`` adds to probabilities before it takes logarithms."""


def theirs() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).with_name("authors_scores.csv"))


@pytest.fixture(scope="module")
def scorer(shared_data):
    """SmolLM2 with directions and prompts as the authors' functions had them."""
    loaded = load_model(real_folder(SMOLLM2), torch.float32, "cpu")
    folder = shared_data / "refusal_direction"

    def instructions(name: str) -> list[str]:
        return [row["instruction"] for row in json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))]

    alpaca = map(json.loads, (shared_data / "alpaca" / "alpaca_no_input.jsonl").read_text(encoding="utf-8").splitlines())
    harmless = [row["instruction"] for row in alpaca if row["refusal_direction_split"] == "train"]
    means = []
    for texts in (instructions("harmful_train"), harmless):
        random.Random(0).shuffle(texts)
        means.append(
            mean_activations(loaded, render(loaded.tokenizer, texts[:128], Rendering()), [-5, -2, -1], token_budget=4096)
        )
    sides = [render(loaded.tokenizer, instructions(f"{side}_val")[:PROMPTS], Rendering()) for side in ("harmful", "harmless")]
    options = dict(common_prefix=[], harmless_answers=None, token_budget=2048, epsilon=1e-8)
    return PromptScores.of(loaded, difference_in_means(*means), *sides, TOKENS, **options)


def test_each_score_on_each_prompt_is_that_of_the_authors_functions(scorer, monkeypatch):
    table = theirs()
    cells = list(dict.fromkeys(zip(table["position"], table["layer"], strict=True)))
    expected = {name: table[name].to_numpy().reshape(len(cells), PROMPTS) for name in CRITERIA}
    found = {name: scorer.score(name, cells, range(PROMPTS)).numpy() for name in CRITERIA}
    for name in ("bypass", "induce"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=TOLERANCE)
    # Divergences differ by their term, which cuts what rare tokens add, and by nothing else.
    assert 1e-3 < np.abs(found["kl"] - expected["kl"]).max() < 0.03

    def with_their_term(original, edited):
        p, q = original.double().softmax(-1), edited.double().softmax(-1)
        return (p * ((p + THEIR_TERM).log() - (q + THEIR_TERM).log())).sum(-1)

    monkeypatch.setattr(ablation, "kl_divergence", with_their_term)
    np.testing.assert_allclose(scorer.score("kl", cells, range(PROMPTS)).numpy(), expected["kl"], rtol=0, atol=TOLERANCE)
