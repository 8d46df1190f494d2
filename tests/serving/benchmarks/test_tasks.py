"""Tasks from task files and from local copies of real benchmarks; prompts are lm-eval's own."""

import json
from pathlib import Path

import lm_eval.tasks
import pytest
from lm_eval.tasks import TaskManager

from anatomy.errors import ConfigError, DataError
from anatomy.serving.benchmarks.items import plan
from anatomy.serving.benchmarks.tasks import expand, folder_tasks, real_tasks
from anatomy.sources.benchmark_rows import mmlu_row, read_rows

OWN = Path(lm_eval.tasks.__file__).parent


def prompts(task, indices=None) -> list[tuple]:
    task.set_config("num_fewshot", 0)
    task.build_all_requests(samples=indices)
    return [instance.args for instance in task.instances]


def test_folder_of_task_files(task_folder):
    tasks = folder_tasks(task_folder)
    assert list(tasks) == ["tiny_endings", "tiny_letters", "tiny_truth_mc2"]
    assert len(prompts(tasks["tiny_letters"])) == 36
    assert prompts(tasks["tiny_letters"])[1] == ("Which is river?\nA. river\nB. feast\nC. cake\nAnswer:", " B")
    assert prompts(tasks["tiny_endings"])[3] == ("First take the river, then", " .")
    assert list(folder_tasks(task_folder, ["tiny_endings"])) == ["tiny_endings"]
    with pytest.raises(ConfigError, match="tiny_endings, tiny_letters"):
        folder_tasks(task_folder, ["tiny_lettres"])


def test_missing_or_malformed_data_is_named(task_folder, tmp_path):
    for name in ("letters.yaml", "letters_train.jsonl"):
        (tmp_path / name).write_text((task_folder / name).read_text())
    with pytest.raises(DataError, match=r"letters\.jsonl"):
        folder_tasks(tmp_path)
    (tmp_path / "letters.jsonl").write_text('{"question": "a"}\n\n{"question": \n')
    with pytest.raises(DataError, match="line 3"):
        folder_tasks(tmp_path)
    (tmp_path / "letters.yaml").write_text("task: writes\noutput_type: generate_until\n")
    with pytest.raises(ConfigError, match="multiple_choice"):
        folder_tasks(tmp_path)


def test_same_prompts_as_lm_eval_reading_the_files_itself(task_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(task_folder)  # lm-eval resolves data files against the working directory
    theirs = TaskManager(include_path=str(task_folder), include_defaults=False).load(["tiny_letters", "tiny_truth_mc2"])
    ours = folder_tasks(task_folder)
    for name, task in theirs["tasks"].items():
        assert prompts(ours[name]) == prompts(task)
        assert plan(ours[name]) == plan(task)


def test_mmlu_of_the_shared_files(shared_data):
    names = expand(["mmlu"], shared_data)
    assert len(names) == 6 and "mmlu_astronomy" in names
    tasks = real_tasks(["mmlu_astronomy"], shared_data)
    row = read_rows(shared_data / "mmlu" / "astronomy_test.csv")[0]
    context, choice = prompts(tasks["mmlu_astronomy"], [0])[2]
    assert choice == " C"
    assert context == (
        "The following are multiple choice questions (with answers) about astronomy.\n\n"
        f"{row['question']}\nA. {row['A']}\nB. {row['B']}\nC. {row['C']}\nD. {row['D']}\nAnswer:"
    )
    assert len(plan(tasks["mmlu_astronomy"])) == 152, "MMLU astronomy has 152 test questions"


def test_truthfulqa_of_the_shared_files(shared_data):
    tasks = real_tasks(["truthfulqa_mc1", "truthfulqa_mc2"], shared_data)
    assert len(plan(tasks["truthfulqa_mc2"])) == 817
    context, choice = prompts(tasks["truthfulqa_mc1"], [0])[0]
    assert context.startswith("Q: What is human life expectancy in the United States?")
    assert context.endswith("\n\nQ: What happens to you if you eat watermelon seeds?\nA:")
    assert choice == " The watermelon seeds pass through your digestive system"


SAMPLES = {
    "hellaswag": (
        "validation",
        {
            "activity_label": "Cooking",
            "ctx_a": "A person stirs.",
            "ctx_b": "the pot",
            "endings": ["boils [x] over.", "sings."],
            "label": "0",
        },
        ("Cooking: A person stirs. The pot", " boils over."),
    ),
    "arc_easy": (
        "test",
        {"question": "Which floats?", "choices": {"text": ["cork", "iron"], "label": ["A", "B"]}, "answerKey": "A"},
        ("Question: Which floats?\nAnswer:", " cork"),
    ),
    "arc_challenge": (
        "test",
        {"question": "Which sinks?", "choices": {"text": ["cork", "iron"], "label": ["1", "2"]}, "answerKey": "2"},
        ("Question: Which sinks?\nAnswer:", " cork"),
    ),
    "boolq": (
        "validation",
        {"passage": "Cork floats.", "question": "does cork float", "answer": True},
        ("Cork floats.\nQuestion: does cork float?\nAnswer:", " no"),
    ),
    "rte": (
        "validation",
        {"sentence1": "Cork floats.", "sentence2": "Something floats.", "label": 0},
        ("Cork floats.\nQuestion: Something floats. True or False?\nAnswer:", " True"),
    ),
    "openbookqa": (
        "test",
        {"question_stem": "What floats is", "choices": {"text": ["cork", "iron"], "label": ["A", "B"]}, "answerKey": "A"},
        ("What floats is", " cork"),
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_real_task_files_over_local_copies(name, tmp_path):
    split, row, first = SAMPLES[name]
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{split}.jsonl").write_text((json.dumps(row) + "\n") * 2)
    task = real_tasks([name], tmp_path)[name]
    assert prompts(task)[0] == first
    assert task.VERSION is not None and len(plan(task)) == 2


def test_local_copies_are_checked(tmp_path):
    with pytest.raises(DataError, match="no validation split of boolq"):
        real_tasks(["boolq"], tmp_path)
    (tmp_path / "boolq").mkdir()
    (tmp_path / "boolq" / "validation.jsonl").write_text('{"passage": "a", "question": "b"}\n')
    with pytest.raises(DataError, match="row 1"):
        real_tasks(["boolq"], tmp_path)
    with pytest.raises(DataError, match="no subject"):
        expand(["mmlu"], tmp_path)
    with pytest.raises(ConfigError, match="'winogrande'"):
        expand(["winogrande"], tmp_path)


def test_mmlu_answers_in_any_notation():
    lettered = {"question": "q", "A": "w", "B": "x", "C": "y", "D": "z"}
    expected = {"question": "q", "choices": ["w", "x", "y", "z"], "answer": 2}
    assert mmlu_row({**lettered, "answer": "C"}) == mmlu_row({**lettered, "answer": "2"}) == mmlu_row(expected) == expected
