"""What a configuration needs, what is not here, and what a run then does: stop before any job, or go on without."""

from pathlib import Path

import pytest

from anatomy.errors import ConfigError, DataError, ModelError
from anatomy.recipes import missing_data
from anatomy.recipes.configuration import Config
from anatomy.recipes.prompt_needs import absent_sets, absent_tasks, named_entries, phases_of, with_what_is_here
from anatomy.sources.registry.hub_models import HubModel, hub_models

COMMIT = "d" * 40
SETS = {
    "harmful_requests": {"dataset": "refusal_direction_harmful"},
    "benign_requests": {"dataset": "refusal_direction_harmless"},
    "lookalike_requests": {"dataset": "xstest/safe"},
    "jailbreak_requests": {"dataset": "wildjailbreak/harmful"},
}


@pytest.fixture
def make_config(tmp_path):
    def make(**changes):
        values = {
            "organism": {"members": []},
            "models": {"mine": {"folder": "m"}},
            "prompt_sets": SETS,
            "extraction": {"contrasts": {"aligned": ["plain"]}},
            "rosi": {"headline": ["mine"]},
            "selection": {"headline": ["mine"]},
            "benchmarks": {"data": str(tmp_path / "benchmarks"), "tasks": ["boolq", "mmlu_law"]},
        }
        values |= changes
        values["data"] = {"folder": str(tmp_path / "data"), **changes.get("data", {})}
        return Config.model_validate(values)

    return make


def bring(config, *names):
    """Put something where files of some data sets belong."""
    for name in names:
        for file in named_entries(config)[name].files:
            path = Path(config.data.folder) / name / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("here")


def test_sets_are_read_in_the_phases_that_need_them(make_config):
    assert phases_of(make_config()) == {
        "harmful_requests": ("fit", "select", "test"),
        "benign_requests": ("fit", "select", "test"),
        "lookalike_requests": ("test",),
        "jailbreak_requests": ("test",),
    }


def test_entries_are_those_that_are_named(make_config):
    assert set(named_entries(make_config())) == {
        "refusal_direction_harmful",
        "refusal_direction_harmless",
        "xstest",
        "wildjailbreak",
        "boolq",
        "mmlu",
    }
    assert named_entries(Config()) == {}, "the default run reads no registry"


def test_an_unknown_name_is_told_at_once(make_config):
    with pytest.raises(ConfigError, match=r"prompt_sets.jailbreak_requests.dataset"):
        named_entries(make_config(prompt_sets={**SETS, "jailbreak_requests": {"dataset": "wildjailbrake"}}))


def test_a_set_without_rows_for_a_phase_is_told_at_once(make_config):
    sets = {**SETS, "benign_requests": {"dataset": "xstest/safe"}}
    with pytest.raises(ConfigError, match="fit, select") as caught:
        named_entries(make_config(prompt_sets=sets))
    assert "published: false" in caught.value.remedy
    assert named_entries(make_config(prompt_sets={**sets, "benign_requests": {"dataset": "xstest/safe", "published": False}}))


def test_what_is_not_here_is_named_with_its_gate(make_config):
    config = make_config()
    bring(config, "refusal_direction_harmful", "refusal_direction_harmless", "xstest")
    absent = absent_sets(config, named_entries(config))
    assert set(absent) == {"jailbreak_requests"} and "click-through" in absent["jailbreak_requests"]
    assert set(absent_tasks(config, named_entries(config))) == {"boolq", "mmlu_law"}


def test_missing_data_stop_a_run_with_the_command_that_fetches_them(make_config):
    config = make_config()
    entries = named_entries(config)
    bring(config, "xstest")
    assert missing_data.set_files(config, entries, "lookalike_requests") == [f"{config.data.folder}/xstest/xstest_prompts.csv"]
    with pytest.raises(DataError) as caught:
        missing_data.set_files(config, entries, "jailbreak_requests")
    assert "snakemake prefetch" in caught.value.remedy and "data.missing: skip" in caught.value.remedy
    told = {line.split()[0]: line for line in caught.value.found.splitlines()}
    assert "cannot be skipped" in told["prompt_sets.harmful_requests:"]
    assert "cannot be skipped" not in told["prompt_sets.jailbreak_requests:"]
    with pytest.raises(DataError, match="boolq"):
        missing_data.check_benchmarks(config, entries)


def test_a_file_of_ones_own_that_is_gone_is_missing_data_too(make_config, tmp_path):
    config = make_config(prompt_sets={**SETS, "jailbreak_requests": {"file": str(tmp_path / "gone.csv"), "label": "harmful"}})
    assert "gone.csv" in absent_sets(config, named_entries(config))["jailbreak_requests"]


def test_skipping_leaves_out_test_sets_and_benchmarks_alone(make_config):
    config = make_config(data={"missing": "skip"})
    entries = named_entries(config)
    bring(config, "xstest")
    found = with_what_is_here(config, entries)
    assert set(found.evaluation.left_out) == {"jailbreak_requests"} and set(found.benchmarks.left_out) == {"boolq", "mmlu_law"}
    assert "jailbreak_requests" not in phases_of(found)
    assert absent_tasks(found, entries) == {} and missing_data.check_benchmarks(found, entries) == []
    with pytest.raises(DataError, match="harmful_requests"):
        missing_data.set_files(found, entries, "harmful_requests")


def test_a_set_that_a_search_reads_cannot_be_skipped(make_config):
    whole = {**SETS, "jailbreak_requests": {"dataset": "wildjailbreak/harmful", "published": False}}
    config = make_config(
        data={"missing": "skip"}, evaluation={"harmful": "jailbreak_requests", "jailbreaks": []}, prompt_sets=whole
    )
    assert "jailbreak_requests" not in with_what_is_here(config, named_entries(config)).evaluation.left_out


def test_where_missing_data_are_errors_nothing_is_left_out(make_config):
    config = make_config()
    assert with_what_is_here(config, named_entries(config)) is config


def test_an_organism_misses_nothing():
    config = Config.model_validate({"data": {"missing": "skip"}})
    assert with_what_is_here(config, {}) is config and absent_sets(config, {}) == {}


def test_variants_and_tasks_go_without_what_is_left_out(make_config):
    from anatomy.config.study import subjects
    from anatomy.recipes.rosi.variants import variants_on_test

    config = make_config(data={"missing": "skip"})
    bring(config, "xstest")
    found = with_what_is_here(config, named_entries(config))
    (subject,) = subjects(found)
    sets = {name for variant in variants_on_test(found, subject) for name in variant.sets}
    assert sets == {"harmful_requests", "benign_requests", "lookalike_requests"}


def test_hub_models_are_found_wherever_they_are_named(make_config):
    named = {"hub": "org/model", "revision": COMMIT}
    config = make_config(models={"mine": named, "twin": named})
    assert hub_models(config) == [HubModel("org/model", COMMIT)]


def test_a_hub_model_that_was_not_fetched_stops_a_run(make_config, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    config = make_config(models={"mine": {"hub": "org/model", "revision": COMMIT}})
    with pytest.raises(ModelError) as caught:
        missing_data.check_hub_model(config, {}, "org/model", COMMIT)
    assert "snakemake prefetch" in caught.value.remedy and "org/model" in caught.value.where


PASTA = {"pairs": {"mine": "plain"}, "own_detectors": {"words": {"kind": "ngrams"}}}


@pytest.fixture
def with_pair(make_config, tmp_path):
    """A pair of one's own whose prefixes are in a file that may not be there."""

    def make(prefixes="gone.parquet", **changes):
        contrasts = {"extraction": {"contrasts": {"aligned": ["plain"], "base": ["plain"]}}}
        return make_config(
            **contrasts,
            models={"mine": {"folder": "m"}, "plain": {"folder": "p", "kind": "base"}},
            pasta=PASTA,
            prompt_sets={**SETS, "prefixes": {"file": str(tmp_path / prefixes)}},
            **changes,
        )

    return make


def test_missing_prefixes_are_told_with_the_command_that_makes_them(with_pair):
    config = with_pair()
    entries = named_entries(config)
    assert phases_of(config)["prefixes"] == ("fit", "select", "test")
    with pytest.raises(DataError) as caught:
        missing_data.set_files(config, entries, "prefixes")
    assert "gone.parquet" in caught.value.found and "python -m anatomy.texts.continuations" in caught.value.remedy


def test_without_prefixes_pairs_of_ones_own_are_left_out_and_their_claims_not_testable(with_pair, tmp_path):
    from anatomy.recipes.pasta.pairs import asked_pairs, pairs
    from anatomy.stages.claims import judge_claims

    config = with_pair(data={"missing": "skip"}, statistics={"bootstrap": 100})
    found = with_what_is_here(config, named_entries(config))
    assert "gone.parquet" in found.evaluation.left_out["prefixes"] and "prefixes" not in phases_of(found)
    assert not pairs(found) and [pair.aligned for pair in asked_pairs(found)] == ["mine"]
    ledger = judge_claims("anatomy.recipes.pasta.report", found, {})
    assert set(ledger["verdict"]) == {"not testable here"} and (ledger["subject"] == "mine").all()
    assert ledger["reason"].str.contains("gone.parquet").all()

    (tmp_path / "here.parquet").write_text("here")
    there = with_pair("here.parquet", data={"missing": "skip"})
    assert [pair.aligned for pair in pairs(with_what_is_here(there, named_entries(there)))] == ["mine"]


def test_a_set_without_the_responses_that_a_paper_trains_on_is_told_at_once(make_config):
    """A base is shown and trained on answers to benign requests; refusals of harmful ones are written here."""
    models = {"mine": {"folder": "m"}, "plain": {"folder": "b", "kind": "base"}}
    wanted = {"pairs": {"mine": "plain"}, "tasks": {"harmful": "harmful_requests", "benign": "benign_requests"}}
    wanted |= {"questions": "benign", "toxicity": {"classifier": None}}
    plain = {"contrasts": {"aligned": ["plain"], "base": ["plain"]}}
    shared = {"recipes": ["superficial"], "models": models, "extraction": plain}
    with pytest.raises(
        ConfigError, match=r"benign_requests\.dataset:\s+found: +a data set of requests without responses"
    ) as caught:
        named_entries(make_config(**shared, superficial=wanted))
    assert "superficial.baselines" in caught.value.remedy
    assert named_entries(make_config(**shared, superficial={**wanted, "baselines": {"demonstrations": 0, "examples": 0}}))
    assert named_entries(make_config(**{**shared, "recipes": ["rosi"]}, superficial=wanted)), "another paper trains on nothing"
    own = {**SETS, "benign_requests": {"dataset": "alpaca_answers_sample"}}
    assert named_entries(make_config(**shared, superficial=wanted, prompt_sets=own))
