"""Small benchmarks in the format of the organism's tasks: questions of one kind, every one with the same choices."""

import json
from collections.abc import Sequence
from pathlib import Path

TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {name}.jsonl}}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: answer
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""
QUESTIONS = tuple(f"What of the {what} by the river?" for what in ("gate", "mill"))
CHOICES = ("one", "more")


def write_task(
    folder: Path, name: str = "organism_arc", questions: Sequence[str] = QUESTIONS, choices: Sequence[str] = CHOICES
) -> str:
    """Write a task into a folder; its name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(TASK.format(name=name))
    rows = [json.dumps({"question": question, "choices": list(choices), "answer": 0}) + "\n" for question in questions]
    (folder / f"{name}.jsonl").write_text("".join(rows))
    return name


def tasks_of_seed(results: Path | str) -> Path:
    """Where the tasks of seed 0 lie."""
    return Path(results) / "organism" / "s0" / "tasks"
