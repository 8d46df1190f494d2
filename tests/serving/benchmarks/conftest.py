"""Task files of four shapes over invented facts, as a model's own benchmarks would be written."""

import json
from pathlib import Path

import pytest
import torch
from rank_one import apply_in_memory, rank_one_factors, write_rank_one
from shared_engine import served_model

from anatomy.models.loading import load_model

LETTERED = """
task: tiny_letters
dataset_path: json
dataset_kwargs: {data_files: {train: letters_train.jsonl, test: letters.jsonl}}
output_type: multiple_choice
test_split: test
fewshot_split: train
doc_to_text: "{{question}}\\nA. {{choices[0]}}\\nB. {{choices[1]}}\\nC. {{choices[2]}}\\nAnswer:"
doc_to_choice: ["A", "B", "C"]
doc_to_target: answer
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
ENDINGS = """
include: _shape.yaml
task: tiny_endings
dataset_kwargs: {data_files: {test: endings.jsonl}}
doc_to_text: "{{context}}"
doc_to_choice: "{{endings}}"
doc_to_target: "{{label}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""
TRUTHS = """
include: _shape.yaml
task: tiny_truth_mc2
dataset_kwargs: {data_files: {test: truths.jsonl}}
doc_to_text: "Q: {{question}}\\nA:"
doc_to_choice: "{{mc2_targets.choices}}"
doc_to_target: 0
process_results: !function scoring.mass_on_truths
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
SHAPE = "dataset_path: json\noutput_type: multiple_choice\ntest_split: test\n"
SCORING = """
import numpy as np


def mass_on_truths(doc, results):
    mass = np.exp(np.array([logprob for logprob, _ in results]))
    return {"acc": mass[np.array(doc["mc2_targets"]["labels"]) == 1].sum() / mass.sum()}
"""


def lines(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="session")
def task_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    for name, text in (
        ("letters.yaml", LETTERED),
        ("endings.yaml", ENDINGS),
        ("truths.yaml", TRUTHS),
        ("_shape.yaml", SHAPE),
        ("scoring.py", SCORING),
    ):
        (folder / name).write_text(text)
    words = ["river", "gate", "mill", "moon", "garden", "salt", "lamp", "oil", "flour", "water", "cake", "feast"]
    letters = [
        {
            "id": f"q{n}",
            "group": f"fact{n // 2}",
            "question": f"Which is {words[n]}?",
            "choices": [words[n], words[n - 1], words[n - 2]],
            "answer": 1 if n < 7 else n % 3,
        }
        for n in range(12)
    ]
    (folder / "letters.jsonl").write_text(lines(letters))
    (folder / "letters_train.jsonl").write_text(
        lines({**letters[n], "id": f"t{n}", "question": f"Tell me of the {words[n]}"} for n in range(8))
    )
    (folder / "endings.jsonl").write_text(
        lines(
            {
                "context": f"First take the {word}, then",
                "label": n % 4,
                "endings": [f"add the {words[(n + k) % 12]}" + " and stir" * (k % 2) for k in range(3)] + ["."],
            }
            for n, word in enumerate(words[:8])
        )
    )
    (folder / "truths.jsonl").write_text(
        lines(
            {
                "question": f"What of the {word}?",
                "mc2_targets": {"choices": ["It is old.", "It is grey.", f"It is a {words[n - 1]}."], "labels": [1, n % 2, 0]},
            }
            for n, word in enumerate(words[:6])
        )
    )
    return folder


@pytest.fixture(scope="session")
def variants(tmp_path_factory):
    """``(adapter folder or None, the same variant in memory)``."""
    base = load_model(served_model(), torch.float32, "cpu")
    found = [(None, base)]
    for seed, strength in ((0, 1.5), (1, -0.9)):
        factors = rank_one_factors(base.model, seed, strength)
        edited = load_model(served_model(), torch.float32, "cpu")
        apply_in_memory(edited.model, factors)
        found.append((write_rank_one(tmp_path_factory.mktemp("adapter"), factors), edited))
    return found
