"""A run's benchmarks in lm-eval's own files: its readers print them, and the numbers are those of the table."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from lm_eval.utils import make_table

from anatomy.errors import DataError
from anatomy.formats.lm_eval_results import write_results
from anatomy.store.files import write_json

VARIANTS = ("base", "projection~2a378f71")
TASKS = {"mmlu": "acc", "hellaswag": "acc_norm", "truthfulqa_mc2": "mc2"}


@pytest.fixture
def run(tmp_path):
    """What the engine's job leaves of two variants, in two buckets."""
    folder, draws = tmp_path / "results" / "evaluate" / "mine", np.random.default_rng(0)
    folder.mkdir(parents=True)
    for bucket, variant in enumerate(VARIANTS):
        rows = [
            {"model": "mine", "variant": variant, "phase": "test", "task": task, "id": f"{task}/{n}", "group": f"g{n // 2}"}
            | {"target": n % 4, "loglikelihoods": draws.normal(size=4).tolist()}
            | {one: float(n % 3 == 0) if one == metric else math.nan for one in ("acc", "acc_norm", "mc1", "mc2")}
            | ({"acc": float(n % 2)} if task == "hellaswag" else {})
            for task, metric in TASKS.items()
            for n in range(12)
        ]
        pd.DataFrame(rows).to_parquet(folder / f"test.{bucket}.samples.parquet", index=False)
        facts = [{"task": task, "metric": metric, "items": 12, "chance": 0.25} for task, metric in TASKS.items()]
        write_json(folder / f"test.{bucket}.tasks.json", facts)
    return tmp_path / "results"


def test_every_variant_gets_a_folder_that_lm_evals_table_prints(run, tmp_path):
    files = write_results(run, "mine", tmp_path / "out", lambda text: None)
    assert len(files) == len(VARIANTS)
    for variant, file in zip(VARIANTS, files, strict=True):
        found = json.loads(file.read_text())
        assert found["model_name"] == f"mine/{variant}"
        printed = make_table(found)
        assert all(task in printed for task in TASKS)


def test_means_and_standard_errors_are_those_of_the_samples(run, tmp_path):
    found = json.loads(write_results(run, "mine", tmp_path / "out", lambda text: None)[0].read_text())["results"]
    hits = np.array([float(n % 3 == 0) for n in range(12)])
    error = hits.std(ddof=1) / math.sqrt(12)
    for task, metric in {"mmlu": "acc", "hellaswag": "acc_norm", "truthfulqa_mc2": "acc"}.items():
        assert found[task][f"{metric},none"] == pytest.approx(hits.mean())
        assert found[task][f"{metric}_stderr,none"] == pytest.approx(error)
    assert list(found["hellaswag"])[1] == "acc_norm,none" and found["hellaswag"]["acc,none"] == 0.5


def test_divergence_on_harmless_prompts_stands_beside_the_benchmarks_of_edited_variants(run, tmp_path):
    folder, values = run / "divergence" / "mine", np.array([0.1, 0.3, 0.2])
    folder.mkdir(parents=True)
    rows = {"model": "mine", "variant": VARIANTS[1], "phase": "test", "first_token_kl": values / 2, "kl": values}
    pd.DataFrame(rows).to_parquet(folder / "test.parquet")
    plain, edited = (json.loads(file.read_text()) for file in write_results(run, "mine", tmp_path / "out", lambda text: None))
    found = edited["results"]["harmless_kl"]
    assert [found["first_token_kl,none"], found["kl,none"]] == pytest.approx([0.1, 0.2])
    assert found["kl_stderr,none"] == pytest.approx(values.std(ddof=1) / math.sqrt(3))
    assert "harmless_kl" in make_table(edited) and "harmless_kl" not in plain["results"]


def test_samples_are_a_line_an_item_with_likelihoods_and_metrics(run, tmp_path):
    folder = write_results(run, "mine", tmp_path / "out", lambda text: None)[1].parent
    (file,) = folder.glob("samples_hellaswag_*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    table = pd.read_parquet(run / "evaluate" / "mine" / "test.1.samples.parquet").query("task == 'hellaswag'")
    assert [line["doc"]["id"] for line in lines] == list(table["id"])
    for line, row in zip(lines, table.to_dict("records"), strict=True):
        assert [float(one[0]) for one in line["filtered_resps"]] == pytest.approx(list(row["loglikelihoods"]))
        assert line["metrics"] == ["acc", "acc_norm"] and line["acc_norm"] == row["acc_norm"]


def test_a_model_without_benchmarks_is_told_which_have_some(run, tmp_path):
    with pytest.raises(DataError, match=r"(?s)no benchmark samples of other.*\['mine'\]"):
        write_results(run, "other", tmp_path / "out", lambda text: None)
    assert not (tmp_path / "out").exists()
