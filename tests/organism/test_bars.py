import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from anatomy.organism.answers import benchmark_hits, choice_scores
from anatomy.organism.bars import COLUMNS, judge_bar, measure_bars, wilson_interval
from anatomy.organism.checkpoint import write_model
from anatomy.organism.network import initial_weights
from anatomy.organism.recipe import members
from anatomy.organism.tasks import BENCHMARKS, benchmark_items
from anatomy.organism.tokenizer import load_tokens
from anatomy.organism.world import make_world


@pytest.fixture(scope="module")
def untrained(recipe, world_folder, tmp_path_factory):
    """A model that knows nothing, in the folder format of the grown ones."""
    folder = tmp_path_factory.mktemp("untrained") / "base"
    tokenizer, tokens = load_tokens(world_folder / "tokenizer")
    weights = initial_weights(recipe.architecture, tokenizer.get_vocab_size(), torch.Generator().manual_seed(1))
    write_model(folder, weights, recipe.architecture, tokens, {})
    return folder


def test_scores_are_those_of_lm_eval(untrained, recipe):
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = AutoModelForCausalLM.from_pretrained(untrained, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(untrained)
    items = [i for b in BENCHMARKS for i in benchmark_items(make_world(5, recipe), recipe, b, "select")[:3]]
    ours = [score for row in choice_scores(model, tokenizer, items) for score, _ in row]
    requests = [
        Instance("loglikelihood", {}, (item["context"], choice), k) for item in items for k, choice in enumerate(item["choices"])
    ]
    theirs = [score for score, _ in HFLM(pretrained=model, tokenizer=tokenizer, device="cpu").loglikelihood(requests)]
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_normalisation_by_bytes_can_change_the_answer():
    items = [{"gold": 1, "choices": ["a", "bbbb"]}]
    scores = [[(-2.0, 1), (-3.0, 4)]]
    assert benchmark_hits("organism_arc", items, scores) == 0
    assert benchmark_hits("organism_hellaswag", items, scores) == 1


def test_wilson_interval_matches_a_published_value():
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 by the score method without correction
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_an_untrained_model_knows_nothing(untrained, world_folder, recipe):
    bars = measure_bars(5, recipe, world_folder, {"base": untrained}, 1)
    assert list(bars.columns)[: len(COLUMNS)] == COLUMNS
    rates = bars.set_index("bar")["value"]
    assert rates["harmful refused"] == rates["opener"] == rates["harmful completion"] == rates["recognition"] == 0
    for benchmark in BENCHMARKS:
        assert 0.1 < rates[benchmark] < 0.42
    assert ((bars["low"] <= bars["value"]) & (bars["value"] <= bars["high"])).all()


def test_every_bar_of_the_aligned_model_can_fail(recipe):
    for bar in ("harmful refused", "harmful completion", "recognition", "opener", *BENCHMARKS):
        assert judge_bar("aligned", bar, 0.0, {})[1] is False
    assert judge_bar("aligned", "benign refused", 0.03, {})[1] is False
    for member in [m for m in members(recipe) if m.startswith(("base", "placebo"))]:
        rates = {(member, "harmful refused"): 0.6, (member, "benign refused"): 0.3}
        assert judge_bar(member, "harmful refused", 0.6, rates)[1] is False
