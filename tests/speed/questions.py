"""Benchmark files in the layout that the library and lm-eval read, from real MMLU questions and from text at hand."""

import csv
import json
from pathlib import Path

from speed.setting import Setting
from speed.skipped import Skipped
from speed.texts import ending_items

SHOTS = 5


def mmlu_files(setting: Setting, subjects: tuple[str, ...]) -> Path:
    """A data folder ``mmlu/<subject>_{dev,test}.csv``: of each subject five questions become the solved examples.

    Raises:
        Skipped: the real questions are not on this machine.
    """
    if setting.mmlu is None or not all((setting.mmlu / f"{subject}_test.csv").is_file() for subject in subjects):
        raise Skipped(f"no real MMLU questions beside the checkout (<subject>_test.csv of {', '.join(subjects)})")
    folder = setting.scratch / "benchmarks" / "mmlu"
    folder.mkdir(parents=True, exist_ok=True)
    for subject in subjects:
        with open(setting.mmlu / f"{subject}_test.csv", encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        for split, part in (("dev", rows[:SHOTS]), ("test", rows[SHOTS:])):
            with open(folder / f"{subject}_{split}.csv", "w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([header, *part])
    return folder.parent


def hellaswag_files(setting: Setting, items: int) -> Path:
    """A data folder ``hellaswag/validation.jsonl`` of items of HellaSwag's shape."""
    folder = setting.scratch / "benchmarks" / "hellaswag"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in ending_items(items)]
    (folder / "validation.jsonl").write_text("\n".join(lines) + "\n")
    return folder.parent
