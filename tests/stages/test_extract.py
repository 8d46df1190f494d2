"""Extraction: controls that never change when more are asked for, and failures that leave nothing behind."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_study import make_card, make_config, make_subject, run_extraction, write_prompts

from anatomy.config.study import Layout
from anatomy.errors import DataError, ModelError, NumericsError
from anatomy.interventions.directions.controls import relabelling_weights
from anatomy.interventions.directions.covariance_draws import gaussian_weights
from anatomy.models.activations.means import Moments
from anatomy.stages.extract import SEED, control_tensors
from anatomy.store.digest import file_digest

FAMILIES = ("isotropic", "covariance", "shuffled")
SIZES, SHAPE = (6, 5), (2, 3, 8)


def made_moments(shuffled, covariance):
    """Moments of random activations under the stage's own weights."""
    generator = torch.Generator().manual_seed(0)
    relabelled = (
        relabelling_weights(*SIZES, [SEED["shuffled"] + n for n in range(shuffled)], True)
        if shuffled
        else [torch.zeros(size, 0, dtype=torch.float64) for size in SIZES]
    )
    gaussian = gaussian_weights(*SIZES, [SEED["covariance"] + n for n in range(covariance)])
    moments = []
    for side, size in enumerate(SIZES):
        x = torch.randn(size, *SHAPE, generator=generator, dtype=torch.float64) + side
        weights = torch.cat([relabelled[side], gaussian[side]], 1)
        moments.append(
            Moments((-2, -1), (0, 1, 2), size, x.mean(0), x.var(0, correction=0), torch.einsum("nw,npld->wpld", weights, x))
        )
    return moments, gaussian


def controls(shuffled, covariance, isotropic):
    moments, gaussian = made_moments(shuffled, covariance)
    return control_tensors(moments, gaussian, shuffled, isotropic)


def test_more_controls_never_change_the_first_ones():
    few, many = controls(2, 1, 2), controls(5, 4, 3)
    for family in FAMILIES:
        torch.testing.assert_close(many[family][: len(few[family])], few[family], rtol=0, atol=1e-6)
        assert len(many[family]) > len(few[family])


def test_controls_of_a_family_differ():
    for family, drawn in controls(4, 4, 4).items():
        flat = torch.nn.functional.normalize(drawn[:, 0, 1].double(), dim=-1)
        assert (flat @ flat.T - torch.eye(4, dtype=torch.float64)).abs().max() < 0.999, family


def test_no_controls_keep_their_shape():
    moments, gaussian = made_moments(0, 0)
    found = control_tensors(moments, gaussian, 0, 0)
    assert {family: tuple(tensor.shape) for family, tensor in found.items()} == dict.fromkeys(FAMILIES, (0, *SHAPE))


def test_an_isotropic_control_is_drawn_anew_for_each_layer_and_shared_by_positions():
    drawn = controls(1, 1, 1)["isotropic"][0]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0, 0], drawn[0, 1])


def test_the_card_names_every_file_by_its_content(extraction, extraction_card):
    assert list(extraction_card["contrasts"]) == ["plain", "system"]
    for contrast, facts in extraction_card["contrasts"].items():
        tensors = {f"{name}.safetensors" for name in ("directions", "controls", "means", "inputs")}
        assert set(facts["files"]) == {*tensors, "directions.card.json"} and facts["sides"] == ["harmful", "harmless"]
        assert all(file_digest(extraction / contrast / name) == digest for name, digest in facts["files"].items())
        assert facts["prompts"] == [4, 4] and facts["positions"][-1] == -1


def test_directions_are_the_differences_of_the_means_that_are_kept(extraction):
    vectors = load_file(extraction / "plain" / "directions.safetensors")["vectors"]
    means = load_file(extraction / "plain" / "means.safetensors")
    kept = vectors.norm(dim=-1) > 0
    torch.testing.assert_close(vectors[kept], (means["harmful"] - means["harmless"]).float()[kept], rtol=0, atol=0)


def test_a_headline_model_gets_the_full_controls_and_others_do_not(fresh_results, extraction, card):
    config = make_config(fresh_results, extraction={"controls_elsewhere": {"isotropic": 1, "covariance": 0, "shuffled": 1}})
    elsewhere = load_file(run_extraction(config, card, make_subject(headline=False)) / "plain" / "controls.safetensors")
    headline = load_file(extraction / "plain" / "controls.safetensors")
    assert {name: len(tensor) for name, tensor in headline.items()} == {"isotropic": 2, "covariance": 1, "shuffled": 2}
    assert {name: len(tensor) for name, tensor in elsewhere.items()} == {"isotropic": 1, "covariance": 0, "shuffled": 1}
    for name, tensor in elsewhere.items():
        torch.testing.assert_close(tensor, headline[name][: len(tensor)], rtol=1e-5, atol=1e-6)


def fails(config, card, error, match):
    """The extraction fails with the error and leaves no file that a later stage would read."""
    with pytest.raises(error, match=match):
        run_extraction(config, card, make_subject())
    left = list(Path(Layout(config.results).stage("extract", "mine", "")).rglob("*"))
    assert not [path for path in left if path.is_file()]


def test_two_sets_that_share_prompts_are_refused(tmp_path, card):
    write_prompts(tmp_path, benign_requests=("benign", "Explain how to mix grey salt with lamp oil for {}"))
    fails(make_config(tmp_path), card, DataError, "each prompt on one side")


def test_a_set_without_rows_to_fit_on_is_named(fresh_results, card):
    import pandas as pd

    path = fresh_results / "prompts" / "benign_requests.parquet"
    table = pd.read_parquet(path)
    table[table["split"] != "fit"].to_parquet(path)
    fails(make_config(fresh_results), card, DataError, "no rows with split 'fit'")


@pytest.fixture
def copied(tiny_folder, tmp_path):
    return Path(shutil.copytree(tiny_folder, tmp_path / "copied"))


def test_a_model_without_a_chat_template_is_refused(fresh_results, copied):
    (copied / "chat_template.jinja").unlink(missing_ok=True)
    path = copied / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings.pop("chat_template", None)
    path.write_text(json.dumps(settings))
    fails(make_config(fresh_results), make_card(copied), ModelError, "no chat template")


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (3e38, r"layer 2, prompt harmful_requests-fit-\d"),  # finite, and no activation that it makes is
        (torch.inf, r"NaN or infinity in model\.layers\.1\.mlp\.down_proj\.weight"),
        (torch.nan, r"NaN or infinity in model\.layers\.1\.mlp\.down_proj\.weight"),
    ],
)
def test_what_is_not_finite_is_named_by_its_weight_or_by_layer_and_prompt(fresh_results, copied, value, named):
    tensors = load_file(copied / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight"][3] = value
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    fails(make_config(fresh_results), make_card(copied), NumericsError, named)


def test_a_truncated_or_pickled_checkpoint_is_refused(fresh_results, copied, card):
    weights = copied / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    moved = {**card, "folder": str(copied)}
    fails(make_config(fresh_results), moved, ModelError, "truncated")
    weights.unlink()
    torch.save({"weight": torch.zeros(1)}, copied / "pytorch_model.bin")
    fails(make_config(fresh_results), moved, ModelError, "pickled weights")
