"""A tokenizer is opened from a folder, never from what a hub's cache holds under the same words."""

from pathlib import Path

import pytest

from anatomy.errors import ModelError
from anatomy.models.tokenizer import load_tokenizer


@pytest.mark.parametrize("path", ["./typo", "typo", "org/name", "~/typo"])
def test_a_folder_that_is_not_there_is_named(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="no such folder"):
        load_tokenizer(Path(path))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "tokenizer.json").touch()
    with pytest.raises(ModelError, match="no such folder"):
        load_tokenizer(tmp_path / "tokenizer.json")
