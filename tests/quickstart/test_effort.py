"""How much a study asks for: three sizes, in plain options with their reasons, and what each cannot decide."""

import csv
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from published_sizes import SMOL_135M
from quick_run import ROOT
from tiny_model import make_tiny_model

from anatomy.costs.lengths import Lengths
from anatomy.costs.prompts import PromptCounts
from anatomy.quickstart.__main__ import main
from anatomy.quickstart.cost import Cost
from anatomy.quickstart.study import compose, write_study
from anatomy.recipes.configuration import check_config, load_config
from anatomy.recipes.effort import EFFORTS
from anatomy.recipes.rosi.effort import spread
from anatomy.recipes.undecided import least_change, least_controls, least_prompts, undecided

SLOW = {"core_gigaflops": 50.0}
"""An AVX2 core in float32: with it a study of 26.6 million tokens of this model was counted as 30 hours of one core."""

REQUESTS = PromptCounts(
    {name: {"fit": 130, "select": 52, "test": 78} for name in ("harmful_requests", "benign_requests")},
    Lengths(43.0, 27.0, 0.0, 6),
)
"""260 requests of AdvBench's length in the template of that model."""


def study(effort, benchmarks=None, layers=30):
    sets = {side: Path(f"{side}.csv") for side in ("harmful", "harmless")}
    return compose("mine", {"folder": "m", "kind": "aligned", "dtype": "float32"}, sets, benchmarks, effort, layers)


def options_of(effort, **more):
    return study(effort, **more).options


def test_a_look_at_a_small_model_takes_twenty_minutes_of_two_slow_cores():
    options = {**options_of("look"), "resources": SLOW, "serving": {"threads": 2}}
    cost = Cost.of(check_config(options, "mine.yaml"), SMOL_135M, REQUESTS, on_gpu=False)
    assert cost.took.total < 20 * 60 and cost.least.total < cost.took.total


def test_each_size_asks_for_more_than_the_one_before():
    costs = []
    for effort in EFFORTS:
        config = check_config({**options_of(effort), "resources": SLOW}, "mine.yaml")
        costs.append(Cost.of(config, SMOL_135M, REQUESTS, on_gpu=False))
    totals = [cost.took.total for cost in costs]
    assert totals[0] * 4 < totals[1] and totals[1] * 2 < totals[2]


def test_paper_is_what_the_papers_configurations_say():
    mine = check_config(options_of("paper", benchmarks="bench"), "mine.yaml")
    direction, rosi = (load_config(ROOT / "config" / "paper" / f"{name}.yaml") for name in ("refusal_direction", "rosi"))
    assert mine.extraction.prompts == direction.extraction.prompts
    assert (mine.selection.prompts, mine.selection.kl_tokens) == (direction.selection.prompts, direction.selection.kl_tokens)
    assert mine.evaluation.max_new_tokens == direction.evaluation.max_new_tokens
    assert (mine.rosi.forms, mine.rosi.layers) == (rosi.rosi.forms, rosi.rosi.layers)
    assert {form: mine.rosi.strengths[form] for form in mine.rosi.forms} == rosi.rosi.strengths
    assert mine.rosi.shortlist == rosi.rosi.shortlist
    assert mine.evaluation.select_prompts == rosi.evaluation.select_prompts
    assert mine.evaluation.test_prompts == rosi.evaluation.test_prompts
    assert (mine.benchmarks.select_items, mine.benchmarks.test_items) == (
        rosi.benchmarks.select_items,
        rosi.benchmarks.test_items,
    )


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("benchmarks", [None, "bench"])
def test_what_is_written_is_what_was_checked_with_reasons_above(tmp_path, effort, benchmarks):
    made = study(effort, benchmarks)
    write_study(made, tmp_path / "mine.yaml", effort)
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == made.options
    lines = text.splitlines()
    for option, why in made.comments.items():
        begins = f"  {option.rpartition('.')[2]}:"
        assert [above for above, line in pairwise(lines) if line.startswith(begins) and above == f"  # {why}"], option
    assert max(map(len, lines)) <= 130


def test_a_look_searches_no_control_and_no_benchmark_though_a_folder_is_given():
    config = check_config(options_of("look", benchmarks="bench"), "mine.yaml")
    assert config.extraction.controls.total == 0 and not config.selection.headline and config.benchmarks.tasks == []


@pytest.mark.parametrize("layers", [2, 3, 4, 12, 30, 80])
@pytest.mark.parametrize("effort", ["look", "standard"])
def test_layers_that_are_tried_are_some_that_the_rule_keeps(effort, layers):
    tried = check_config(options_of(effort, layers=layers), "mine.yaml").rosi.layers
    assert tried and len(set(tried)) == len(tried) and all(1 <= layer < max(2, int(0.8 * layers)) for layer in tried)


def test_layers_of_a_model_that_is_not_here_are_not_guessed():
    assert "layers" not in options_of("look", layers=None)["rosi"]


def test_layers_are_spread():
    assert spread(list(range(1, 24)), 6) == [2, 6, 10, 14, 18, 22] and spread([1, 2], 6) == [1, 2]


def test_the_least_numbers_are_those_at_which_the_statistics_decide():
    assert least_controls(0.05) == 19 and least_controls(0.01) == 99  # 1 / (n + 1) <= p
    assert 1.96 * 2**0.5 / (least_prompts(0.05, 0.95) + 2) < 0.05 <= 1.96 * 2**0.5 / (least_prompts(0.05, 0.95) + 1)
    assert least_change(3, 0.95) == 0 and least_change(40, 0.95) <= least_change(2000, 0.95)


def test_what_cannot_be_decided_follows_from_the_numbers():
    def said(effort, **more):
        return " ".join(
            undecided(
                check_config({**options_of(effort), **more}, "mine.yaml"),
                78 if effort != "look" else 40,
                78 if effort != "look" else 40,
            )
        )

    assert "control directions here: 0" in said("look") and "needs 19" in said("look") and "40 test prompts" in said("look")
    assert "control directions" not in said("standard") and "benign requests" not in said("standard")
    assert "needs 99" in said("standard", statistics={"control_level": 0.01})
    assert "within 0.01" in said("standard", statistics={"benign_margin": 0.01})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = make_tiny_model(tmp_path_factory.mktemp("model"))
    config = folder / "config.json"
    config.write_text(
        config.read_text(encoding="utf-8").replace('"max_position_embeddings": 1024', '"max_position_embeddings": 40000')
    )
    return folder


@pytest.fixture
def ask(tmp_path, model, capsys):
    """Quickstart on pairs of which one harmful prompt is of so many words."""

    def run(words, *more, context=None):
        folder = model
        if context is not None:
            folder = tmp_path / "short"
            folder.mkdir()
            for file in model.iterdir():
                (folder / file.name).symlink_to(file)
            text = (folder / "config.json").read_text(encoding="utf-8").replace("40000", str(context))
            (folder / "config.json").unlink()
            (folder / "config.json").write_text(text, encoding="utf-8")
        with (tmp_path / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["harmful", "harmless"])
            writer.writerows((f"How do I break gate {n} of {n * n}?", f"Who painted river {n} in {n * n}?") for n in range(59))
            writer.writerow(["How do I " + " ".join(f"mill{n}" for n in range(words)), "Who made the last cake?"])
        arguments = ["--name", "mine", "--model", str(folder), "--pairs", str(tmp_path / "pairs.csv"), "--dtype", "float32"]
        status = main([*arguments, "--directory", str(tmp_path), *more])
        return status, capsys.readouterr(), tmp_path / "config" / "mine.yaml"

    return run


@pytest.mark.parametrize("words", [700, 6000])
def test_a_long_prompt_gets_the_context_that_it_needs(ask, words):
    status, said, path = ask(words)
    assert status == 0, said.err
    config = load_config(path)
    assert config.serving.max_model_len > words + config.evaluation.max_new_tokens
    assert "the longest prompt has" in path.read_text(encoding="utf-8")


def test_short_prompts_leave_serving_as_it_is(ask):
    assert "max_model_len" not in ask(10)[2].read_text(encoding="utf-8")


def test_a_prompt_that_the_model_has_no_room_for_is_named_by_its_row(ask):
    status, said, path = ask(700, context=600)
    assert status == 1 and not path.exists()
    assert "pairs.csv, line 61" in said.err and "How do I mill0 mill1" in said.err and "at most 600" in said.err


def test_a_model_of_little_context_is_served_within_it(ask):
    status, said, path = ask(10, context=300)
    assert status == 0, said.err
    assert load_config(path).serving.max_model_len <= 300


def test_hours_of_every_size_are_printed_and_the_chosen_one_is_marked(ask):
    status, said, path = ask(10, "--effort", "standard")
    assert status == 0
    rows = {line.split()[0 if line[0] == " " else 1]: line for line in said.out.splitlines() if "leaves out:" in line}
    assert list(rows) == list(EFFORTS) and [name for name, line in rows.items() if line[0] == "*"] == ["standard"]
    assert "cannot decide" in said.out and "--effort standard" in path.read_text(encoding="utf-8")
