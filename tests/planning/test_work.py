"""What a configuration asks of a model, counted before anything runs."""

import pytest
from small_study import make_card, make_config, make_subject, run_extraction, write_prompts

from anatomy.config.subjects import PromptSet
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.size import model_size
from anatomy.planning.benchmarks import benchmark_items
from anatomy.planning.prompts import ASSUMED_TOKENS, PromptCounts, planned_prompts, published
from anatomy.planning.work import rosi_work, run_counts
from anatomy.preflight.disk import estimate_disk
from anatomy.registry.catalogue import load_catalogue

PROMPTS = PromptCounts.of_texts({"harmful_requests": ["a"] * 6, "benign_requests": ["b"] * 40}, tokens=10.0)
FEW = {"rosi": {"forms": ["row_mean"], "headline": []}, "selection": {"headline": []},
       "evaluation": {"select_prompts": 4, "test_prompts": 10, "lookalikes": [], "jailbreaks": []}}


def counted(config, subject, prompts=PROMPTS):
    return rosi_work(config, subject, prompts, num_layers=4, positions=3, entries={})


def test_answers_are_counted_by_set_and_limit(tmp_path):
    """One form, one strength, two families (the signed search too), no controls: base and two edits a phase."""
    config, subject = make_config(tmp_path, **FEW), make_subject(headline=False)
    work = counted(config, subject)
    select, test, in_memory = 3 * (4 + 4), 3 * (6 + 10), 4 * (6 + 10)
    assert [work[stage].answers for stage in ("select", "test", "measure")] == [select, test, in_memory]
    assert work["select"].read == 10 * select and work["select"].written == 3 * select
    counts = run_counts(config, subject, work, PROMPTS, positions=3)
    assert counts.answers == select + test + in_memory and counts.positions == 3
    assert counts.kept_adapters == 2 and counts.controls == 0 and counts.adapters == 3


def test_a_headline_pays_for_its_controls(tmp_path):
    config = make_config(tmp_path, **FEW, extraction={"controls": {"isotropic": 2, "covariance": 1, "shuffled": 2}})
    alone, ranked = (counted(config, make_subject(headline=headline)) for headline in (False, True))
    grid, validation = 3 * 4 * 5, 6 + 32
    assert ranked["localize"].read - alone["localize"].read == 10 * grid * validation
    assert ranked["measure"].answers > alone["measure"].answers and ranked["test"].answers > alone["test"].answers


def test_prompts_of_a_phase_count_and_unknown_sets_count_by_the_limit(tmp_path):
    write_prompts(tmp_path, 4)
    prompts = planned_prompts(make_config(tmp_path), make_subject(), {})
    assert prompts.of("harmful_requests", "test", 96) == 4 and prompts.of("jailbreak_requests", "test", 96) == 96
    nothing = planned_prompts(make_config(tmp_path / "elsewhere"), make_subject(), {})
    assert not nothing.rows and nothing.tokens == ASSUMED_TOKENS


def test_the_registry_says_how_long_a_published_set_is():
    entries = load_catalogue(None)
    options = PromptSet(dataset="advbench", published=False, limits={"test": 50})
    assert published(options, entries) == {"fit": 260, "select": 104, "test": 50}


def test_benchmark_items_follow_from_the_registry(tmp_path):
    config = make_config(tmp_path, benchmarks={"data": "data", "tasks": ["mmlu", "arc_challenge"], "select_items": 10,
                                               "test_items": 100000})
    entries, subject = load_catalogue(None), make_subject()
    assert benchmark_items(config, subject, "select", entries) == 57 * 10 + 10
    assert benchmark_items(config, subject, "test", entries) == round(0.75 * 14042) + round(0.75 * 1172)


def test_extraction_takes_the_room_that_was_estimated(tiny_folder, tmp_path):
    write_prompts(tmp_path, 8)
    config, subject = make_config(tmp_path), make_subject(("plain", "system"))
    out = run_extraction(config, make_card(tiny_folder), subject)
    written = sum(path.stat().st_size for path in out.rglob("*.safetensors"))
    size, positions = model_size(Checkpoint(tiny_folder)), len(positions_of(out))
    work = rosi_work(config, subject, PROMPTS, num_layers=size.layers, positions=positions, entries={})
    estimate = estimate_disk(size, run_counts(config, subject, work, PROMPTS, positions), tmp_path)
    assert estimate.extraction == pytest.approx(written, rel=0.1) and estimate.free > estimate.results


def positions_of(extracted):
    from anatomy.stages.direction_book import DirectionBook

    return DirectionBook(extracted).candidates("plain").positions
