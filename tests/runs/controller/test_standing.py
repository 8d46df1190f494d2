"""The folder of a run is one in which Snakemake can write; where it cannot, one sentence says so."""

import errno
import tempfile

import pytest

from anatomy.errors import ConfigError
from anatomy.runs.controller.standing import require_writable


def test_a_folder_that_takes_files_passes(tmp_path):
    require_writable(tmp_path)
    assert not list((tmp_path / ".snakemake").iterdir())


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EACCES"])
def test_a_full_or_closed_one_is_named_with_the_way_out(tmp_path, monkeypatch, name):
    """Neither can be had here: the error comes from where the probe's file is made."""

    def fail(**_options):
        raise OSError(getattr(errno, name), "no byte more")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    with pytest.raises(ConfigError, match=r"no byte more[\s\S]*--directory"):
        require_writable(tmp_path)


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / ".snakemake").touch()
    with pytest.raises(ConfigError, match="--directory"):
        require_writable(tmp_path)
