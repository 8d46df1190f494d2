"""The shipped registry, and what a wrong entry is told."""

import re

import pytest
import yaml

from anatomy.errors import ConfigError
from anatomy.sources.registry.catalogue import SHIPPED, find_entry, load_catalogue
from anatomy.sources.registry.entry import Entry

PAPERS = {
    "advbench",
    "malicious_instruct",
    "tdc2023",
    "harmbench",
    "jailbreakbench",
    "strongreject",
    "catqa",
    "hex_phi",
    "wildguardtest",
    "wildjailbreak",
    "xstest",
    "alpaca",
    "alpaca_cleaned",
    "gsm8k",
    "truthfulqa",
    "toxigen",
    "pasta_essays",
    "pasta_fiction",
    "pasta_news",
    "pasta_opinion",
    "pasta_science",
    "emergent_misalignment",
    "pile",
    "wikitext2",
    "triviaqa",
}
BENCHMARKS = {"mmlu", "hellaswag", "arc_easy", "arc_challenge", "boolq", "rte", "openbookqa", "truthfulqa", "winogrande", "gsm8k"}


def test_every_set_of_the_papers_is_registered():
    catalogue = load_catalogue()
    assert set(catalogue) >= PAPERS | BENCHMARKS
    assert {name for name, entry in catalogue.items() if entry.use == "benchmark"} == BENCHMARKS


def test_gates_are_as_their_authors_set_them():
    gates = {name: entry.gating for name, entry in load_catalogue().items() if entry.gating != "open"}
    assert gates == {
        "hex_phi": "manual",
        "wildguardtest": "click-through",
        "wildjailbreak": "click-through",
        "toxigen": "form",
        "emergent_misalignment": "password",
    }


def test_what_is_fetched_is_pinned_or_says_that_it_is_not():
    loose = {name for name, entry in load_catalogue().items() if entry.files and not entry.pinned}
    assert loose == {"catqa", "or_bench_hard"}


def test_published_sizes():
    """Arditi et al., appendix A: 260 / 39 / 572 harmful, 18,793 / 6,264 / 6,266 harmless, of 31,323."""
    catalogue = load_catalogue()
    rows = {name: [file.rows for file in catalogue[f"refusal_direction_{name}"].files] for name in ("harmful", "harmless")}
    assert rows == {"harmful": [260, 39, 572], "harmless": [18793, 6264, 6266]}
    assert sum(rows["harmless"]) == catalogue["alpaca"].rows == 31323
    assert catalogue["xstest"].subsets["safe"].rows == 250 and catalogue["xstest"].subsets["unsafe"].rows == 200
    assert catalogue["strongreject"].rows == 313 and catalogue["catqa"].rows == 550 and catalogue["advbench"].rows == 520


def test_every_benchmark_lies_where_its_task_looks():
    from anatomy.serving.benchmarks.tasks import MMLU, REAL

    folders = {**{name: task.folder for name, task in REAL.items()}, MMLU: MMLU, "mmlu_anatomy": MMLU}
    for task, folder in folders.items():
        serving = [entry for entry in load_catalogue().values() if entry.serves(task)]
        assert [entry.benchmark.folder for entry in serving] == [folder], task
        assert serving[0].benchmark.evaluated in {file.split for file in serving[0].files}


def test_a_name_that_is_nearly_right_is_answered_with_names():
    with pytest.raises(ConfigError, match="advbench"):
        find_entry(load_catalogue(), "advbnch", "prompt_sets.x.dataset")
    with pytest.raises(ConfigError, match="safe, unsafe"):
        find_entry(load_catalogue(), "xstest/sane", "prompt_sets.x.dataset")
    entry, subset = find_entry(load_catalogue(), "xstest/safe", "x")
    assert entry.title == "XSTest" and subset == "safe"


def test_a_file_of_ones_own_adds_and_wins(tmp_path):
    own = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))["advbench"]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"advbench": {**own, "title": "Mine"}, "other": own}))
    catalogue = load_catalogue(tmp_path / "own.yaml")
    assert catalogue["advbench"].title == "Mine" and "other" in catalogue and "xstest" in catalogue


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "Extra inputs"),
        ({"revision": "main"}, "pattern"),
        ({"revision": None}, "note that says why"),
        ({"source": {"hub": "a/b", "url": "http://c"}}, "exactly one of them"),
        ({"source": {"url": "http://c"}}, r"\{revision\}"),
        ({"files": []}, "no files"),
        ({"files": [{"path": "../secret"}]}, "inside the repository"),
        ({"files": [{"path": "/etc/passwd"}]}, "inside the repository"),
        ({"files": [{"path": "a", "sha256": "12"}]}, "pattern"),
        ({"files": [{"path": "a", "split": "train"}]}, "fit"),
        ({"columns": {"goal": "question"}}, "question"),
        ({"columns": {"goal": "category"}}, "no column is mapped to prompt"),
        ({"label": None}, "label"),
        ({"gating": "closed"}, "click-through"),
        ({"use": "benchmark"}, "benchmark section"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path, make_entry, change, message):
    good = make_entry([{"path": "set.csv"}]).model_dump(mode="json")
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"mine": {**good, **change}}))
    with pytest.raises(ConfigError, match=message) as caught:
        load_catalogue(path)
    assert "mine" in caught.value.found and caught.value.where == str(path)


def test_pinned_means_a_commit_or_all_digests(make_entry):
    plain = {"source": {"url": "http://c"}, "revision": None, "note": "revision unknown"}
    assert make_entry([{"path": "a"}]).pinned
    assert not make_entry([{"path": "a"}], **plain).pinned
    assert not make_entry([{"path": "a", "sha256": "1" * 64}, {"path": "b"}], **plain).pinned
    assert make_entry([{"path": "a", "sha256": "1" * 64}, {"path": "b", "git_blob": "2" * 40}], **plain).pinned


def test_every_key_is_described():
    from anatomy.sources.registry.entry import Benchmark, File, Source, Subset

    for model in (Entry, Source, File, Subset, Benchmark):
        assert all(field.description for field in model.model_fields.values()), model


def test_the_registry_holds_no_prompt():
    assert not re.search(r"\?\s*$", SHIPPED.read_text(encoding="utf-8"), flags=re.M)
