"""Options that do not fit the models are refused when the configuration is read, hours before a job would meet them."""

import pytest
import torch
from safetensors.torch import save_file

from anatomy.errors import ConfigError
from anatomy.interventions.instruments.autoencoder_file import FILE
from anatomy.organism.recipe import RECIPES
from anatomy.recipes.configuration import check_config

WIDTH = RECIPES[check_config({}, "a test").organism.recipe].architecture.width


def checked(**options):
    return check_config({"recipes": ["mechanisms"], "mechanisms": options}, "a test")


def coder(folder, rows=32, width=WIDTH, leave_out=(), dtype=torch.float32):
    shapes = dict(zip(FILE, ((rows, width), (rows,), (rows, width), (width,)), strict=True))
    tensors = {name: torch.ones(shape, dtype=dtype) for name, shape in shapes.items() if name not in leave_out}
    save_file(tensors, folder / "coder.safetensors")
    return str(folder / "coder.safetensors")


def test_an_autoencoder_that_fits_is_taken_and_one_that_is_not_there_yet_is_left_to_the_run(tmp_path):
    assert checked(features={"file": coder(tmp_path)}).mechanisms.features.file
    assert checked(features={"file": str(tmp_path / "later.safetensors")}).mechanisms.features.file


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"width": WIDTH // 2}, f"width {WIDTH // 2}"),
        ({"leave_out": ("W_dec", "b_dec")}, "found no W_dec, b_dec"),
        ({"rows": 8}, "active is 16, more than the 8 features"),
        ({"dtype": torch.int8}, "W_dec of I8"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_before_anything_runs(wrong, named, tmp_path):
    with pytest.raises(ConfigError, match=named):
        checked(features={"file": coder(tmp_path, **wrong)})


def test_a_folder_and_a_damaged_file_are_refused_before_anything_runs(tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(b"none")
    for path, named in ((tmp_path, "found a folder"), (tmp_path / "cut.safetensors", "header too small")):
        with pytest.raises(ConfigError, match=named):
            checked(features={"file": str(path)})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"features": {"layer": 99}}, "layer is 99"),
        ({"interchange": {"rank": WIDTH + 1}}, f"rank is {WIDTH + 1}"),
    ],
)
def test_a_layer_and_a_rank_that_no_model_has_are_refused(options, named):
    with pytest.raises(ConfigError, match=named):
        checked(**options)
