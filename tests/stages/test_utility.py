"""Benchmark samples as rows of the store, and as a table."""

import pandas as pd
import pytest
from edit_kinds import every_kind
from river_task import write_task
from shared_engine import served_model, shared_engine

from anatomy.config.methods import Benchmarks
from anatomy.config.study import Layout, Subject
from anatomy.errors import DataError
from anatomy.models.checkpoint import Checkpoint
from anatomy.serving.benchmarks.items import plan
from anatomy.serving.benchmarks.tasks import folder_tasks
from anatomy.serving.variants import Variant
from anatomy.stages.utility import COLUMNS, compute_utility, phase_tasks, samples_table
from anatomy.store.cell import Cell
from anatomy.store.fill import Want


def test_a_study_without_benchmarks_has_an_empty_table_with_all_columns(tmp_path):
    table = samples_table([])
    assert table.empty and list(table.columns) == COLUMNS and {"model", "variant", "phase", "task"} <= set(COLUMNS)
    table.to_parquet(tmp_path / "samples.parquet")
    assert list(pd.read_parquet(tmp_path / "samples.parquet").columns) == COLUMNS


def test_missing_data_are_named_before_anything_is_computed(tmp_path):
    subject = Subject("own", "aligned", None, None, (), False, "float32", False, None, None, False)
    with pytest.raises(DataError, match="no validation split of hellaswag"):
        phase_tasks(Layout(str(tmp_path)), subject, Benchmarks(tasks=["hellaswag"], data=str(tmp_path)), "test")


@pytest.fixture
def tasks(tmp_path):
    choices = {"one": ["A", "B"], "more": ["the moon is old", "the mill", "."]}
    questions = [f"What of the {what} by the river?" for what in ("gate", "mill", "garden", "lamp")]
    for name, own in choices.items():
        write_task(tmp_path, name, questions, own)
    return folder_tasks(tmp_path)


@pytest.mark.engine
def test_cells_get_their_missing_rows_whatever_other_cells_miss(tasks, tmp_path):
    """An adapter, a reload and the model itself, each as it is scored alone; equal edits under two names once."""
    checkpoint = Checkpoint(served_model())
    kinds = every_kind(checkpoint)
    stacks = {"low_rank": kinds["adapter"], "sparse": kinds["sparse"], "base": []}
    stacks["again"] = stacks["sparse"]
    assert {shared_engine().way(edits).kind for edits in stacks.values()} == {"adapter", "reload", "base"}

    def want(variant, task, indices):
        rows = pd.DataFrame(plan(tasks[task])).iloc[indices]
        return Want(Cell(tmp_path / "store", "benchmark", {"variant": variant, "task": task}), rows, {})

    def computed(wants):
        compute = compute_utility(
            lambda want: Variant(want.cell.key["variant"], stacks[want.cell.key["variant"]]),
            tasks,
            lambda want: want.cell.key["task"],
            0,
            lambda line: None,
        )
        return {(one.cell.key["variant"], one.cell.key["task"]): table for one, table in compute(shared_engine(), wants)}

    whole = computed([want(variant, task, [0, 1, 2, 3]) for variant in stacks for task in tasks])
    assert len(whole) == 8 and all(len(table) == 4 for table in whole.values())
    assert all("id" not in table and "item" in table for table in whole.values())
    part = computed(
        [
            want("base", "one", [1]),
            want("low_rank", "more", [0, 3]),
            want("base", "more", [2]),
            want("again", "one", [2]),
            want("sparse", "one", [0, 2]),
        ]
    )
    for key, indices in (
        (("base", "one"), [1]),
        (("low_rank", "more"), [0, 3]),
        (("base", "more"), [2]),
        (("again", "one"), [2]),
        (("sparse", "one"), [0, 2]),
    ):
        expected = whole[key].iloc[indices].reset_index(drop=True)
        assert list(part[key]["item"]) == list(expected["item"])
        for one, other in zip(part[key]["loglikelihoods"], expected["loglikelihoods"], strict=True):
            assert one == pytest.approx(other, rel=1e-5)
    for task in tasks:
        assert len({str(whole[name, task]["loglikelihoods"].tolist()) for name in ("base", "low_rank", "sparse")}) == 3
        assert whole["again", task].equals(whole["sparse", task])
