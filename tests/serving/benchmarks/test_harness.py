"""One running engine scores base and edited variants as lm-eval's own backend does, item by item."""

import numpy as np
import pandas as pd
import pytest
from reference_samples import assert_same, reference
from shared_engine import STARTS, shared_engine

from anatomy.errors import DataError
from anatomy.serving.benchmarks.engine_lm import EngineLM
from anatomy.serving.benchmarks.harness import evaluate
from anatomy.serving.benchmarks.items import plan
from anatomy.serving.benchmarks.sample_rows import COLUMNS, metric_column
from anatomy.serving.benchmarks.tasks import folder_tasks, real_tasks
from anatomy.serving.decoding import Decoding

pytestmark = pytest.mark.engine


def test_equals_the_transformers_backend_for_every_variant_on_one_engine(task_folder, variants):
    tasks = folder_tasks(task_folder)
    engine = shared_engine()
    starts, tables = len(STARTS), []
    for number_of_shots in (0, 3):
        asked = tasks if number_of_shots == 0 else {"tiny_letters": tasks["tiny_letters"]}
        for adapter, loaded in variants:
            found = evaluate(EngineLM(engine, adapter), asked, num_fewshot=number_of_shots, fewshot_seed=7)
            assert_same(found, evaluate(reference(loaded), asked, num_fewshot=number_of_shots, fewshot_seed=7))
            tables.append(found)
    assert len(STARTS) == starts
    assert tuple(tables[0].columns) == COLUMNS and len(tables[0]) == 26
    assert tables[0]["task"].value_counts().to_dict() == {"tiny_letters": 12, "tiny_endings": 8, "tiny_truth_mc2": 6}
    letters = [table.loc[table["task"] == "tiny_letters", "loglikelihoods"].tolist() for table in tables]
    for one, other in ((0, 1), (0, 2), (1, 2), (0, 3), (3, 4)):
        differ = [np.abs(np.subtract(a, b)).max() > 0.01 for a, b in zip(letters[one], letters[other], strict=True)]
        assert all(differ), "variants and numbers of examples must show in every row"
    again = evaluate(EngineLM(engine), tasks, num_fewshot=0, fewshot_seed=7)
    pd.testing.assert_frame_equal(again, tables[0], check_exact=True)


def test_one_start_serves_generation_and_benchmarks(task_folder, variants):
    engine = shared_engine()
    starts = len(STARTS)
    decoding = Decoding(max_new_tokens=8, temperature=0.0)
    prompts = [[5 + place, 40, 41, 42] * 90 for place in range(4)]
    before = engine.generate(prompts, decoding)
    edited = engine.generate_many([(adapter, prompts) for adapter, _ in variants[1:]], decoding)
    tasks = folder_tasks(task_folder, ["tiny_letters"])
    base = evaluate(EngineLM(engine), tasks, num_fewshot=0, fewshot_seed=0)
    evaluate(EngineLM(engine, variants[1][0]), tasks, num_fewshot=0, fewshot_seed=0)
    assert engine.generate(prompts, decoding) == before and before not in edited
    assert evaluate(EngineLM(engine), tasks, num_fewshot=0, fewshot_seed=0).equals(base)
    assert len(STARTS) == starts and STARTS[-1]["seconds"] > 0


def test_a_row_does_not_depend_on_the_subset_asked_for(task_folder):
    tasks = folder_tasks(task_folder)
    lm = EngineLM(shared_engine())
    options = {"num_fewshot": 2, "fewshot_seed": 1}
    letters = {"tiny_letters": tasks["tiny_letters"]}
    whole = evaluate(lm, letters, **options)
    part = evaluate(lm, letters, indices={"tiny_letters": [9, 4, 2]}, **options)
    pd.testing.assert_frame_equal(part, whole.iloc[[2, 4, 9]].reset_index(drop=True), check_exact=True)
    assert list(part["item"]) == [plan(tasks["tiny_letters"])[place].item for place in (2, 4, 9)]
    assert len(evaluate(lm, tasks, num_fewshot=0, fewshot_seed=1, limit=2)) == 6
    none = evaluate(lm, letters, indices={"tiny_letters": []}, **options)
    assert len(none) == 0 and tuple(none.columns) == COLUMNS
    with pytest.raises(DataError, match="0 to 11"):
        evaluate(lm, letters, indices={"tiny_letters": [12]}, **options)


def test_real_mmlu_and_truthfulqa(shared_data, variants):
    tasks = real_tasks(["mmlu_astronomy", "truthfulqa_mc1", "truthfulqa_mc2"], shared_data)
    adapter, loaded = variants[1]
    options = {"num_fewshot": None, "fewshot_seed": 0, "limit": 4}
    found = evaluate(EngineLM(shared_engine(), adapter), tasks, **options)
    assert_same(found, evaluate(reference(loaded), tasks, **options))
    by_task = {name: rows for name, rows in found.groupby("task")}
    assert by_task["mmlu_astronomy"]["acc"].isin([0.0, 1.0]).all()
    assert by_task["mmlu_astronomy"]["loglikelihoods"].map(len).eq(4).all()
    assert by_task["truthfulqa_mc1"]["mc1"].isin([0.0, 1.0]).all()
    assert by_task["truthfulqa_mc2"]["mc2"].between(0, 1, inclusive="neither").all()
    assert by_task["truthfulqa_mc2"][["acc", "mc1"]].isna().all(axis=None)


def test_a_question_longer_than_the_context_is_refused_and_not_cut(task_folder):
    tasks = folder_tasks(task_folder, ["tiny_letters"])
    with pytest.raises(DataError, match="at most 1024"):
        evaluate(EngineLM(shared_engine()), tasks, num_fewshot=None, fewshot_seed=0, system="salt " * 1100)


def test_names_of_the_truthfulqa_metrics():
    assert metric_column("truthfulqa_mc1", "acc") == "mc1"
    assert metric_column("truthfulqa_mc2", "acc") == "mc2"
    assert metric_column("mmlu_astronomy", "acc") == "acc"
    assert metric_column("arc_easy", "acc_norm") == "acc_norm"
