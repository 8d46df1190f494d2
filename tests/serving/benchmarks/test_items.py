"""Item digests, task keys, chance levels."""

import json

import pytest

from anatomy.errors import ConfigError, DataError
from anatomy.serving.benchmarks.items import chance, plan, shots, task_key
from anatomy.serving.benchmarks.tasks import folder_tasks


@pytest.fixture
def copy(task_folder, tmp_path):
    for path in task_folder.glob("*.*"):
        (tmp_path / path.name).write_text(path.read_text())
    return tmp_path


def test_items_are_named_by_content_and_not_by_place(copy):
    before = plan(folder_tasks(copy)["tiny_letters"])
    assert (before[3].id, before[3].group) == ("q3", "fact1")
    rows = (copy / "letters.jsonl").read_text().splitlines()
    (copy / "letters.jsonl").write_text("\n".join([rows[0].replace("river", "brook"), *rows[:0:-1]]) + "\n")
    after = plan(folder_tasks(copy)["tiny_letters"])
    assert {item.item for item in before[1:]} == {item.item for item in after[1:]}
    assert before[0].item != after[0].item
    assert plan(folder_tasks(copy)["tiny_letters"], limit=5) == after[:5]


def test_equal_questions_are_two_items(copy):
    path = copy / "truths.jsonl"
    path.write_text(path.read_text() + path.read_text())
    items = plan(folder_tasks(copy)["tiny_truth_mc2"])
    assert len({item.item for item in items}) == 12
    assert all(item.id == item.item == item.group for item in items)


def test_key_follows_what_shapes_a_row(copy, task_folder):
    def keys(folder, number=None):
        return {name: task_key(task, number) for name, task in folder_tasks(folder).items()}

    before = keys(copy)
    assert json.loads(json.dumps(before)) == before == keys(task_folder), "no path in a key"
    (copy / "letters.yaml").write_text("# a comment\n" + (copy / "letters.yaml").read_text())
    (copy / "endings.jsonl").write_text((copy / "endings.jsonl").read_text().replace("stir", "wait"))
    assert keys(copy) == before, "comments and items are no part of the key"
    (copy / "letters.yaml").write_text((copy / "letters.yaml").read_text().replace("Answer:", "Reply:"))
    (copy / "scoring.py").write_text((copy / "scoring.py").read_text().replace("/ mass.sum()", "/ 2"))
    after = keys(copy)
    assert {name for name in before if after[name] != before[name]} == {"tiny_letters", "tiny_truth_mc2"}


def test_the_pool_of_examples_counts_only_where_examples_are_shown(copy):
    task = folder_tasks(copy)["tiny_letters"]
    path = copy / "letters_train.jsonl"
    path.write_text(path.read_text().replace("Tell me of", "Say of"))
    changed = folder_tasks(copy)["tiny_letters"]
    assert task_key(changed, 0) == task_key(task, 0)
    assert task_key(changed, 2) != task_key(task, 2) != task_key(task, 3)
    with pytest.raises(DataError, match="no split to take them from"):
        shots(folder_tasks(copy)["tiny_endings"], 2)


def test_chance_levels(task_folder):
    tasks = folder_tasks(task_folder)
    # Always B is right in the first 7 items and in items 7 and 10: better than one in three.
    assert chance(tasks["tiny_letters"], "acc") == pytest.approx(9 / 12)
    assert chance(tasks["tiny_letters"], "acc", indices=[7, 8, 9]) == pytest.approx(1 / 3)
    assert chance(tasks["tiny_endings"], "acc_norm") == pytest.approx(1 / 4)
    # One true choice of three where n is even, two where it is odd.
    assert chance(tasks["tiny_truth_mc2"], "mc2") == pytest.approx(1 / 2)
    with pytest.raises(ConfigError, match="'f1'"):
        chance(tasks["tiny_letters"], "f1")
