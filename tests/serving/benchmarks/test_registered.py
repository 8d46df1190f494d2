"""The model by its name in lm-eval's registry, as its Python interface and its command line use it."""

import pytest
from lm_eval import simple_evaluate
from lm_eval.api.registry import get_model
from lm_eval.tasks import TaskManager
from reference_samples import reference
from shared_engine import close_shared_engine, served_model

from anatomy.errors import ConfigError
from anatomy.serving.benchmarks.registered import AnatomyLM

pytestmark = pytest.mark.engine
TASKS = ["tiny_letters", "tiny_endings"]


@pytest.fixture
def tasks(task_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(task_folder)  # lm-eval resolves data files against the working directory
    return TaskManager(include_path=str(task_folder), include_defaults=False)


def test_simple_evaluate_under_an_adapter(tasks, variants):
    close_shared_engine()
    adapter, loaded = variants[1]
    arguments = f"pretrained={served_model()},dtype=float32,max_model_len=1024,adapter={adapter},kv_cache_bytes={2**27}"
    # As lm-eval makes it from --model_args, beside the arguments that it gives to every model.
    lm = get_model("anatomy").create_from_arg_string(arguments, {"batch_size": 4, "max_batch_size": None, "device": "cpu"})
    try:
        assert lm.packed is not None and lm.engine.dtype == "float32"
        options = {"tasks": TASKS, "task_manager": tasks, "num_fewshot": 0, "bootstrap_iters": 0, "log_samples": True}
        found = simple_evaluate(model=lm, **options)
        expected = simple_evaluate(model=reference(loaded), **options)
    finally:
        lm.close()
    for task in TASKS:
        for one, other in zip(found["samples"][task], expected["samples"][task], strict=True):
            assert [logprob for ((logprob, _),) in one["resps"]] == pytest.approx(
                [logprob for ((logprob, _),) in other["resps"]], rel=1e-5, abs=1e-4
            )
            assert [greedy for ((_, greedy),) in one["resps"]] == [greedy for ((_, greedy),) in other["resps"]]
        assert found["results"][task]["acc,none"] == pytest.approx(expected["results"][task]["acc,none"], abs=0.13)


def test_known_by_name_and_strict_about_arguments():
    assert get_model("anatomy") is AnatomyLM
    with pytest.raises(ConfigError, match="peft"):
        AnatomyLM(str(served_model()), peft="somewhere")
