"""Many variants on requests built once: the numbers of each are those it gets alone."""

from contextlib import contextmanager, nullcontext
from functools import partial

import pandas as pd
import pytest
import torch
from reference_samples import assert_same, reference
from shared_engine import served_model, shared_engine
from variant_tables import evaluate_variants

from anatomy.errors import DataError
from anatomy.interventions.edits.adapter_factors import applied_adapter
from anatomy.models.loading import load_model
from anatomy.serving.benchmarks.engine_lm import EngineLM
from anatomy.serving.benchmarks.harness import evaluate
from anatomy.serving.benchmarks.sample_rows import COLUMNS
from anatomy.serving.benchmarks.tasks import folder_tasks, real_tasks
from anatomy.serving.benchmarks.variants import unedited
from anatomy.serving.packed_likelihood import PackedScorer

pytestmark = pytest.mark.engine


@pytest.fixture
def named(variants):
    """How the engine is put under each variant."""
    return {name: partial(nullcontext, adapter) for name, (adapter, _) in zip(("base", "up", "down"), variants, strict=True)}


def alone(adapter, tasks, **options):
    """The variant evaluated by itself, through lm-eval's own evaluation."""
    loaded = load_model(served_model(), torch.float32, "cpu")
    with applied_adapter(loaded, adapter):
        return evaluate(EngineLM(shared_engine(), adapter, packed=PackedScorer(loaded)), tasks, **options)


def test_equal_bit_for_bit_to_separate_runs_and_to_the_transformers_backend(task_folder, named, variants):
    tasks = folder_tasks(task_folder)
    options = {"num_fewshot": 0, "fewshot_seed": 7}
    together = evaluate_variants(shared_engine(), named, tasks, in_memory={"base": unedited}, **options)
    assert list(together) == ["base", "up", "down"]
    for (adapter, loaded), table in zip(variants, together.values(), strict=True):
        assert tuple(table.columns) == COLUMNS and len(table) == 26
        pd.testing.assert_frame_equal(table, alone(adapter, tasks, **options), check_exact=True)
        assert_same(table, evaluate(reference(loaded), tasks, **options))
    assert not together["base"].equals(together["up"])


def test_requests_are_built_once(task_folder, named, variants, monkeypatch):
    tasks = folder_tasks(task_folder, ["tiny_letters"])
    task, built = tasks["tiny_letters"], []
    build = task.build_all_requests
    monkeypatch.setattr(task, "build_all_requests", lambda **options: built.append(1) or build(**options))
    options = {"num_fewshot": 3, "fewshot_seed": 1, "limit": 5}
    together = evaluate_variants(shared_engine(), named, tasks, **options)
    assert built == [1] and all(len(table) == 5 for table in together.values())
    alone = evaluate(EngineLM(shared_engine(), variants[1][0]), tasks, **options)
    # Examples share cache blocks between questions, which moves the last bits: 1e-6 of a log-likelihood.
    pd.testing.assert_frame_equal(together["up"].drop(columns="loglikelihoods"), alone.drop(columns="loglikelihoods"))
    for one, other in zip(together["up"]["loglikelihoods"], alone["loglikelihoods"], strict=True):
        assert one == pytest.approx(other, rel=2e-6)


def test_a_variant_that_only_the_engine_knows_is_scored_by_the_engine_alone(task_folder, named, variants):
    # Entered without an adapter and without a word on the module: weights may have been changed inside the engine.
    tasks = folder_tasks(task_folder, ["tiny_endings"])
    options = {"num_fewshot": 0, "fewshot_seed": 7}
    found = evaluate_variants(shared_engine(), {"unknown": named["base"]}, tasks, **options)["unknown"]
    pd.testing.assert_frame_equal(found, evaluate(EngineLM(shared_engine()), tasks, **options), check_exact=True)
    assert_same(found, evaluate(reference(variants[0][1]), tasks, **options))


def test_edits_are_entered_once_and_left(task_folder, named, variants):
    entered = []

    @contextmanager
    def watched(name):
        entered.append(f"into {name}")
        with named[name]() as adapter:
            yield adapter
        entered.append(f"out of {name}")

    order = ["up", "base"]
    evaluate_variants(
        shared_engine(),
        {name: partial(watched, name) for name in order},
        folder_tasks(task_folder),
        num_fewshot=0,
        fewshot_seed=0,
        limit=1,
    )
    assert entered == ["into up", "out of up", "into base", "out of base"]


def test_too_long_questions_are_refused_by_name_before_anything_is_scored(task_folder, named):
    entered = []
    tasks = folder_tasks(task_folder, ["tiny_letters"])
    with pytest.raises(DataError, match=r"36 of 36 requests too long(.|\n)*Answer:(.|\n)*at most 1024") as error:
        evaluate_variants(
            shared_engine(),
            {"base": lambda: entered.append(1) or named["base"]()},
            tasks,
            num_fewshot=None,
            fewshot_seed=0,
            system="salt " * 1100,
        )
    assert "task tiny_letters" in str(error.value) and entered == []


def test_real_mmlu_with_examples_and_truthfulqa(shared_data, named, variants):
    tasks = real_tasks(["mmlu_astronomy", "truthfulqa_mc2"], shared_data)
    options = {"num_fewshot": None, "fewshot_seed": 0, "limit": 3}
    together = evaluate_variants(shared_engine(), named, tasks, in_memory={"base": unedited}, **options)
    for (_, loaded), table in zip(variants, together.values(), strict=True):
        assert_same(table, evaluate(reference(loaded), tasks, **options))


def test_no_items_make_an_empty_table(task_folder, named):
    tasks = folder_tasks(task_folder, ["tiny_letters"])
    found = evaluate_variants(shared_engine(), named, tasks, num_fewshot=0, fewshot_seed=0, indices={"tiny_letters": []})
    assert all(len(table) == 0 and tuple(table.columns) == COLUMNS for table in found.values())
