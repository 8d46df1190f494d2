"""A benchmark of two questions in the format of the organism's tasks."""

import json
from pathlib import Path

TASK = """
task: organism_arc
dataset_path: json
dataset_kwargs: {data_files: {test: organism_arc.jsonl}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: answer
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
QUESTIONS = [f"What of the {what} by the river?" for what in ("gate", "mill")]
CHOICES = ("one", "more")


def write_task(results: Path | str) -> str:
    """Write it among the tasks of seed 0; its name."""
    folder = Path(results) / "organism" / "s0" / "tasks"
    folder.mkdir(parents=True)
    (folder / "organism_arc.yaml").write_text(TASK)
    rows = [json.dumps({"question": question, "choices": CHOICES, "answer": 0}) + "\n" for question in QUESTIONS]
    (folder / "organism_arc.jsonl").write_text("".join(rows))
    return "organism_arc"
