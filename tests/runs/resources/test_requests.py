"""A request is derived from the model, overridden by the configuration, and grows with the attempt."""

import pytest
from pydantic import ValidationError

from anatomy.errors import ConfigError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.size import model_size
from anatomy.recipes.configuration import Config
from anatomy.runs.resources.requests import Requests
from anatomy.runs.resources.size import ASSUMED, planned_size

COMMIT = "0" * 40
ORGANISM = {"model": "weak.s0"}


def study(folder=None, **resources):
    """One model of one's own, one of a hub that is not here, a judge, and the organism."""
    sets = {
        name: {"file": f"{name}.csv"}
        for name in ("harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests")
    }
    return Config.model_validate(
        {
            "models": {
                "mine": {"folder": str(folder or "absent/My-13B"), "dtype": "float32"},
                "far": {"hub": "far/Away-70B", "revision": COMMIT},
            },
            "model_judges": {"guard": {"kind": "llama_guard", "hub": "far/guard", "revision": COMMIT}},
            "prompt_sets": sets,
            "extraction": {"safety_system_prompt": "Be kind."},
            "benchmarks": {"tasks": []},
            "judges": ["rules"],
            "serving": {"max_model_len": 4096, "threads": 3},
            "resources": resources,
        }
    )


def test_the_organism_asks_for_what_it_always_did():
    found = Requests(study(), on_gpu=False)
    assert (found.of("extract", ORGANISM).mem_mb, found.of("evaluate", ORGANISM).mem_mb) == (2500, 3500)
    assert found.of("evaluate", ORGANISM).threads == 3 and found.of("judge", ORGANISM).threads == 1
    assert found.of("organism_member", {"seed": "0", "member": "base"}).mem_mb == 2500


def test_a_rule_that_no_paper_has_is_refused():
    with pytest.raises(ValidationError, match=r"resources\.rules names 'localise'; expected one of .*'localize'"):
        study(rules={"localise": {"mem_mb": 700}})


def test_gpus_are_asked_for_with_packages_for_them_and_by_rules_that_load_models():
    on_cpu, on_gpu = (Requests(study(), on_gpu=on_gpu) for on_gpu in (False, True))
    assert on_cpu.of("evaluate", {"model": "far"}).gpu == 0
    assert on_gpu.of("evaluate", {"model": "far"}).gpu == 4, "70 billion parameters in bfloat16 on GPUs of 80 GiB"
    assert on_gpu.of("extract", {"model": "mine"}).gpu == 1, "one is enough"
    assert on_gpu.of("evaluate", ORGANISM).gpu == 1 and on_gpu.of("judge", ORGANISM).gpu == 0


def test_sizes_come_from_files_then_from_what_is_said_then_from_names(tiny_folder):
    assert planned_size(study(tiny_folder), "mine") == model_size(Checkpoint(tiny_folder))
    assert planned_size(study(tiny_folder, models={"mine": {"billions": 3}}), "mine").parameters == 3e9
    assert planned_size(study(), "mine").parameters == 13e9
    assert planned_size(study(), "far").parameters == 70e9
    assert planned_size(study(), "guard").parameters == ASSUMED


def test_a_judge_asks_for_its_own_size():
    found = Requests(study(models={"guard": {"billions": 1}}), on_gpu=False)
    wildcards = {"model": "far", "judge": "guard", "pass_": "test"}
    assert found.of("model_judge", wildcards).mem_mb < found.of("evaluate", {"model": "far"}).mem_mb / 20


def test_memory_and_time_grow_with_the_attempt_and_nothing_else_does():
    found = Requests(study(growth=2, rules={"judge": {"mem_mb": 700}}), on_gpu=True)
    first, third = (found.of("evaluate", {"model": "far"}, attempt) for attempt in (1, 3))
    assert (third.mem_mb, third.runtime) == (4 * first.mem_mb, 4 * first.runtime)
    assert (third.gpu, third.threads) == (first.gpu, first.threads)
    assert found.of("judge", {"model": "far"}, 2).mem_mb == 1400, "what was set grows too"


def test_the_model_overrides_the_rule_which_overrides_what_is_derived():
    found = Requests(
        study(
            rules={"evaluate": {"mem_mb": 5, "gpu": 2, "threads": 7}},
            models={"far": {"rules": {"evaluate": {"mem_mb": 6}}}, "weak": {"rules": {"evaluate": {"runtime": 1}}}},
        ),
        on_gpu=True,
    )
    far, mine, weak = (found.of("evaluate", {"model": name}) for name in ("far", "mine", "weak.s0"))
    assert (far.mem_mb, far.gpu, far.threads) == (6, 2, 7) and (mine.mem_mb, mine.gpu) == (5, 2)
    assert weak.runtime == 1 and far.runtime > 60
    assert found.of("extract", {"model": "mine"}).mem_mb > 1000


def test_a_model_larger_than_a_gpu_is_spread_where_only_the_stream_is_read_and_refused_elsewhere():
    spread, narrow = Requests(study(), on_gpu=True), Requests(study(gpu_memory_gib=16), on_gpu=True)
    assert 2 <= spread.of("extract", {"model": "far"}).gpu <= 3, "140 GB over GPUs of 80 GiB"
    assert spread.of("localize", {"model": "far"}).gpu == spread.of("extract", {"model": "far"}).gpu
    with pytest.raises(ConfigError, match=r"make_edit of far") as refused:
        spread.of("make_edit", {"model": "far"})
    assert "70.0 billion" in refused.value.found and "80.0 GiB" in refused.value.expected
    with pytest.raises(ConfigError, match=r"at most 8 GPUs of 16\.0 GiB"):
        narrow.of("extract", {"model": "far"})
    assert Requests(study(gpu_memory_gib=141), on_gpu=True).of("extract", {"model": "far"}).gpu == 1
    assert Requests(study(), on_gpu=False).of("extract", {"model": "far"}).mem_mb > 140e9 / 2**20


def test_an_edit_that_is_made_from_files_takes_no_gpu_and_its_export_is_compared_over_several():
    config = study().model_copy(update={"recipes": ["rosi", "pruning", "superficial"]})
    found = Requests(config, on_gpu=True)
    for rule in ("pruning_make_edit", "superficial_make_edit"):
        assert found.of(rule, {"model": "far"}).gpu == found.of(rule, ORGANISM).gpu == 0
    with pytest.raises(ConfigError, match="superficial_fine_tune of far"):
        found.of("superficial_fine_tune", {"model": "far"})
    assert found.of("export_pick", {"model": "far"}).gpu == found.of("extract", {"model": "far"}).gpu > 1


def test_a_stated_count_of_gpus_serves_a_model_that_would_be_refused():
    tight = {"gpu_memory_gib": 10, "gpus_per_node": 2}
    assert Requests(study(**tight, rules={"evaluate": {"gpu": 2}}), on_gpu=True).of("evaluate", {"model": "far"}).gpu == 2


def test_overrides_of_gpus_do_nothing_with_packages_for_a_cpu():
    """One configuration for the laptop and the cluster."""
    assert Requests(study(rules={"evaluate": {"gpu": 2}}), on_gpu=False).of("evaluate", {"model": "far"}).gpu == 0


def test_unknown_names_are_refused():
    with pytest.raises(ValidationError, match=r"resources\.models names 'nobody'"):
        study(models={"nobody": {"billions": 1}})
    with pytest.raises(ValidationError, match="evaluat"):
        study(rules={"evaluat": {"gpu": 1}})
