"""A grid or a test of masks that is killed goes on where it was, to the same tables."""

import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal

from anatomy.config.study import Subject
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.stages import evaluating
from anatomy.recipes.pruning.stages.moved_predictions import unmoved

MODEL = Subject("mine", "aligned", None, None, ("plain",), False, "float32")
NAMES = ["one", "two", "three"]


@pytest.fixture
def tried(tiny, tmp_path, monkeypatch):
    """Masks that are tried, and how many edits the model was asked under."""
    matrix = next(name for name, _ in tiny.model.named_modules() if name.endswith("mlp.down_proj"))
    size = tiny.model.get_submodule(matrix).weight.numel()
    asked_under, really = [], evaluating.answers_of
    prompts = pd.DataFrame(
        {"id": f"{ability}/{n}", "ability": ability, "category": "x", "group": f"g{n}", "split": "select"}
        | {"prompt": f"The mill of the {ability}", "response": "mill", "plain": True, "harmful": ability == "refusal"}
        for ability in ("benign", "refusal")
        for n in range(2)
    )

    def counting(config, subject, loaded, rows):
        asked_under.append(len(rows))
        return really(config, subject, loaded, rows)

    monkeypatch.setattr(evaluating, "answers_of", counting)

    def run(say=lambda line: None, seed=0, **options):
        config = check_config({"evaluation": {"max_new_tokens": 4}, **options}, "a test")
        masks = [
            (name, {matrix: torch.randperm(size, generator=torch.Generator().manual_seed(seed + place))[:20].sort().values})
            for place, name in enumerate(NAMES)
        ]
        before = len(asked_under)
        harmless = unmoved(config, MODEL, tiny, prompts, "select")
        state = tmp_path / "state"
        found = evaluating.under_masks(config, MODEL, tiny, prompts, masks, ["x"], say, harmless=harmless, state=state)
        return found, len(asked_under) - before

    return run


def killed_after(name):
    def say(line):
        if f" {name}: " in line:
            raise KeyboardInterrupt

    return say


def test_a_killed_grid_goes_on_to_the_same_tables(tried, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        tried(killed_after("two"))
    resumed, asked_again = tried()
    assert asked_again == 1, "only the last mask was left"
    for file in (tmp_path / "state").iterdir():
        file.unlink()
    whole, asked = tried()
    assert asked == 1 + len(NAMES)
    for one, other in zip(resumed, whole, strict=True):
        assert_frame_equal(one, other)


def test_what_was_kept_of_other_masks_options_or_in_a_damaged_file_is_not_taken(tried, tmp_path):
    tried()
    assert tried()[1] == 0
    assert tried(seed=10)[1] == len(NAMES), "the unedited model is as it was"
    assert tried(seed=10, evaluation={"max_new_tokens": 5})[1] == 1 + len(NAMES)
    assert tried(seed=10, evaluation={"max_new_tokens": 5})[1] == 0
    next((tmp_path / "state").glob("*.values.parquet")).write_bytes(b"cut")
    assert tried(seed=10, evaluation={"max_new_tokens": 5})[1] == 1
