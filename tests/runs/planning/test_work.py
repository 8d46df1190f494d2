"""What a configuration asks of a model, counted before anything runs."""

import pytest
from small_study import make_card, make_config, make_subject, run_extraction, write_prompts

from anatomy.config.study import organism_subject
from anatomy.config.subjects import PromptSet
from anatomy.costs.benchmarks import Items, benchmark_items, item_tokens
from anatomy.costs.lengths import ASSUMED, ORGANISM, Lengths
from anatomy.costs.prompts import PromptCounts, planned_prompts, published
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.preflight.disk import estimate_disk
from anatomy.models.size import model_size
from anatomy.recipes.rosi.work import run_counts
from anatomy.recipes.rosi.work import stage_work as rosi_work
from anatomy.sources.registry.catalogue import load_catalogue

PROMPTS = PromptCounts.of_texts({"harmful_requests": ["a"] * 6, "benign_requests": ["b"] * 40}, Lengths(10.0, 4.0, 6.0, 3))
FEW = {
    "rosi": {"forms": ["row_mean"], "headline": []},
    "selection": {"headline": []},
    "evaluation": {"select_prompts": 4, "test_prompts": 10, "lookalikes": [], "jailbreaks": []},
}


def counted(config, subject, prompts=PROMPTS):
    return rosi_work(config, subject, prompts, num_layers=4, entries={})


def test_answers_are_counted_by_set_and_limit(tmp_path):
    """One form, one strength, two families (the signed search too), no controls: base and two edits a phase."""
    config, subject = make_config(tmp_path, **FEW), make_subject(headline=False)
    work = counted(config, subject)
    select, test, in_memory = 3 * (4 + 4), 3 * (6 + 10), 4 * (6 + 10)
    assert [work[stage].answers for stage in ("select", "test", "measure")] == [select, test, in_memory]
    assert work["select"].read == 10 * select and work["select"].written == 3 * select
    counts = run_counts(config, subject, work, PROMPTS)
    assert counts.answers == select + test + in_memory and counts.positions == 3
    assert counts.kept_adapters == 2 and counts.controls == 0 and counts.adapters == 3


def test_a_headline_pays_for_its_controls(tmp_path):
    few = {**FEW, "rosi": {**FEW["rosi"], "headline": ["base"]}, "selection": {"headline": [], "search": "exhaustive"}}
    config = make_config(tmp_path, **few, extraction={"controls": {"isotropic": 2, "covariance": 1, "shuffled": 2}})
    alone, ranked = (counted(config, make_subject(headline=headline)) for headline in (False, True))
    # 5 controls at 3 positions of 3 layers: 4 shared tokens once and 6 of each prompt, harmful ones from the first block on,
    # harmless ones from half of them on, their shared tokens once for each of 5 groups of like length
    assert ranked["localize"].read - alone["localize"].read == 5 * (9 * (4 + 6 * 6) + 9 * 0.5 * (5 * 4 + 32 * 6))
    assert ranked["measure"].answers > alone["measure"].answers and ranked["test"].answers > alone["test"].answers


def test_prompts_of_a_phase_count_and_unknown_sets_count_by_the_limit(tmp_path):
    write_prompts(tmp_path, 4)
    prompts = planned_prompts(make_config(tmp_path), make_subject(), {})
    assert prompts.of("harmful_requests", "test", 96) == 4 and prompts.of("jailbreak_requests", "test", 96) == 96
    nothing = planned_prompts(make_config(tmp_path / "elsewhere"), make_subject(), {})
    assert not nothing.rows and nothing.lengths == ASSUMED
    member = make_config(tmp_path / "elsewhere")
    assert planned_prompts(member, organism_subject(member, "base", 0), {}).lengths == ORGANISM


def test_a_file_of_ones_own_counts_as_its_job_will_prepare_it(tmp_path):
    path = tmp_path / "mine.csv"
    splits = ["fit"] * 6 + ["select"] * 2 + ["test"] * 3
    rows = [f"{n},Tell me of thing {n} and of nothing else.,{split}" for n, split in enumerate(splits)]
    path.write_text("\n".join(["id,prompt,split", *rows]) + "\n")
    source = {"file": str(path), "label": "harmful", "minimum": 1}
    config = make_config(tmp_path / "results", **{"prompt_sets": {"harmful_requests": source}})
    prompts = planned_prompts(config, make_subject(), {})
    assert prompts.rows["harmful_requests"] == {"fit": 6, "select": 2, "test": 3} and "benign_requests" not in prompts.rows
    assert prompts.tokens == pytest.approx(ASSUMED.shared + ASSUMED.positions + 9, abs=2)
    path.write_text("nothing\n")  # what is wrong with a file is its job's to say
    config = make_config(tmp_path / "results", **{"prompt_sets": {"harmful_requests": {**source, "seed": 1}}})
    assert not planned_prompts(config, make_subject(), {}).rows


def test_the_registry_says_how_long_a_published_set_is():
    entries = load_catalogue(None)
    options = PromptSet(dataset="advbench", published=False, limits={"test": 50})
    assert published(options, entries) == {"fit": 260, "select": 104, "test": 50}


def test_benchmark_items_follow_from_the_registry(tmp_path):
    config = make_config(
        tmp_path, benchmarks={"data": "data", "tasks": ["mmlu", "arc_challenge"], "select_items": 10, "test_items": 100000}
    )
    entries, subject = load_catalogue(None), make_subject()
    select, test = (benchmark_items(config, subject, phase, entries) for phase in ("select", "test"))
    assert select == Items(57 * 10 + 10, 570 * item_tokens("mmlu", 0) + 10 * item_tokens("arc_challenge", 0))
    assert test.count == round(0.75 * 14042) + round(0.75 * 1172)
    assert item_tokens("mmlu_anatomy", 5) > 4 * item_tokens("mmlu_anatomy", 0) == 4 * item_tokens("mmlu", 0)


def test_extraction_takes_the_room_that_was_estimated(tiny_folder, tmp_path):
    write_prompts(tmp_path, 8)
    config, subject = make_config(tmp_path), make_subject(("plain", "system"))
    out = run_extraction(config, make_card(tiny_folder), subject)
    written = sum(path.stat().st_size for path in out.rglob("*.safetensors"))
    size, positions = model_size(Checkpoint(tiny_folder)), len(positions_of(out))
    prompts = PromptCounts(PROMPTS.rows, Lengths(10.0, 4.0, 6.0, positions))
    work = rosi_work(config, subject, prompts, num_layers=size.layers, entries={})
    estimate = estimate_disk(size, run_counts(config, subject, work, prompts), tmp_path)
    assert estimate.extraction == pytest.approx(written, rel=0.1) and estimate.free > estimate.results


def positions_of(extracted):
    from anatomy.stages.model_directions import ModelDirections

    return ModelDirections(extracted).candidates("plain").positions
