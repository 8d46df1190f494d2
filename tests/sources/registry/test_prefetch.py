"""Fetching everything a configuration names from a server in the hub's place, then working without it."""

import errno
import fcntl
import hashlib
import os
from pathlib import Path

import pytest
import yaml

from anatomy.errors import FetchError, ModelError
from anatomy.recipes.configuration import Config
from anatomy.recipes.prefetch import prefetch
from anatomy.sources.registry.__main__ import main
from anatomy.sources.registry.hub_models import HubModel, fetch_snapshot, local_snapshot
from anatomy.stages.card import find

COMMIT = "d" * 40
MODEL = HubModel("org/model", COMMIT)
FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights" * 50,
    "tokenizer.json": b"{}",
    "README.md": b"words",
    "pytorch_model.bin": b"pickle",
    "consolidated.safetensors": b"again",
    "original/params.json": b"{}",
}
WANTED = {"config.json", "model.safetensors", "tokenizer.json"}
PROMPTS = "goal\n" + "".join(f"Tell a tale of lamp {n} and its {n * 7} friends\n" for n in range(30))


@pytest.fixture
def cache(monkeypatch, tmp_path):
    folder = tmp_path / "hub-cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    return folder


@pytest.fixture
def model(hub):
    for name, content in FILES.items():
        hub.put(MODEL.hub, COMMIT, name, content, kind="")
    return hub


@pytest.fixture
def registry(tmp_path, make_entry, hub):
    """A registry of one's own: one open set, one gated, one whose address is wrong."""
    sha = hashlib.sha256(PROMPTS.encode()).hexdigest()
    hub.put("org/set", "a" * 40, "open.csv", PROMPTS.encode())
    hub.status[hub.put("org/set", "a" * 40, "gated.csv", b"")] = 401
    files = {"open": {"path": "open.csv", "sha256": sha}, "gated": {"path": "gated.csv"}, "gone": {"path": "gone.csv"}}
    entries = {
        name: make_entry([file], gating="click-through" if name == "gated" else "open").model_dump(mode="json")
        for name, file in files.items()
    }
    path = tmp_path / "registry.yaml"
    path.write_text(yaml.safe_dump(entries))
    return path


@pytest.fixture
def make_config(tmp_path, registry):
    def make(sets, models=None, **data):
        named = dict(zip(("harmful_requests", "benign_requests", "jailbreak_requests"), sets, strict=False))
        return Config.model_validate(
            {
                "organism": {"members": []},
                "models": models or {"mine": {"folder": "m"}},
                "prompt_sets": {name: {"dataset": dataset} for name, dataset in named.items()},
                "extraction": {"contrasts": {"aligned": ["plain"]}},
                "evaluation": {"lookalikes": [], "jailbreaks": [name for name in named if name.startswith("jailbreak")]},
                "rosi": {"headline": []},
                "selection": {"headline": []},
                "benchmarks": {"tasks": []},
                "data": {"folder": str(tmp_path / "data"), "registry": str(registry), "tries": 1, "timeout": 5.0, **data},
            }
        )

    return make


def test_a_model_is_fetched_whole_and_found_without_a_network(model, cache, data):
    folder, origin = fetch_snapshot(MODEL, data)
    assert origin == "network" and {path.name for path in folder.iterdir()} == WANTED
    model.files.clear()
    asked = len(model.asked)
    assert fetch_snapshot(MODEL, data) == (folder, "there") and local_snapshot(MODEL) == folder
    assert find({"folder": None, "hub": MODEL.hub, "revision": COMMIT}) == folder
    assert len(model.asked) == asked


def test_a_cut_model_is_completed(model, cache, data, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    model.cut[f"/{MODEL.hub}/resolve/{COMMIT}/model.safetensors"] = 1
    folder, _ = fetch_snapshot(MODEL, data)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_model_that_is_here_in_part_is_not_found(model, cache, data):
    folder, _ = fetch_snapshot(MODEL, data)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="only a part"):
        local_snapshot(MODEL)


def test_a_mirrored_model_is_used_where_it_lies(hub, cache, data, tmp_path):
    folder = tmp_path / "mirror" / "models" / "org" / "model" / COMMIT
    folder.mkdir(parents=True)
    data = data.model_copy(update={"mirror": str(tmp_path / "mirror")})
    assert fetch_snapshot(MODEL, data) == (folder, "mirror") and hub.asked == []
    assert find({"folder": None, "hub": MODEL.hub, "revision": COMMIT}, data.mirror) == folder


def test_a_model_that_cannot_be_had_says_why(hub, cache, data):
    hub.put(MODEL.hub, COMMIT, "pytorch_model.bin", b"pickle", kind="")
    with pytest.raises(FetchError, match="no safetensors") as caught:
        fetch_snapshot(MODEL, data)
    assert "org/model@dddddddddddd" in caught.value.where and caught.value.remedy
    other = HubModel(MODEL.hub, "e" * 40)
    hub.status[f"/api/models/{MODEL.hub}/tree/{other.revision}"] = 401
    with pytest.raises(FetchError, match="HF_TOKEN"):
        fetch_snapshot(other, data)
    asked = len(hub.asked)
    with pytest.raises(FetchError, match="snakemake prefetch"):
        fetch_snapshot(other, data.model_copy(update={"offline": True}))
    assert len(hub.asked) == asked


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, 524])
def test_a_cache_on_a_disk_without_file_locks_is_named(model, cache, data, monkeypatch, code):
    """The hub's own library locks files of its cache; the disk's answer is put at ``fcntl.flock``."""

    def flock(file, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(FetchError, match=r"without file locks(.|\n)*HF_HOME"):
        fetch_snapshot(MODEL, data)


def test_everything_is_tried_and_the_table_tells(model, cache, make_config):
    config = make_config(("open", "gated"), {"mine": {"hub": MODEL.hub, "revision": COMMIT}})
    said = []
    assert not prefetch(config, said.append)
    told = "\n".join(said)
    rows = {line.split()[0]: line for line in told.splitlines() if line.split()}
    assert "fetched" in rows["open"] and "missing" in rows["gated"] and "fetched" in rows["org/model"]
    assert "accept the licence" in told
    assert (Path(config.data.folder) / "open" / "open.csv").read_text() == PROMPTS
    said.clear()
    assert prefetch(make_config(("open", "open"), {"mine": {"hub": MODEL.hub, "revision": COMMIT}}), said.append)
    assert "fetched" not in "\n".join(said).replace("nothing to fetch", "")


def test_what_may_be_skipped_does_not_fail_a_prefetch(hub, cache, make_config):
    config = make_config(("open", "open", "gated"), missing="skip")
    said = []
    assert prefetch(config, said.append) and "gated is missing" in "\n".join(said)
    assert not prefetch(make_config(("open", "gated"), missing="skip"), lambda text: None)


def test_a_configuration_without_published_data_fetches_nothing(hub):
    said = []
    assert prefetch(Config(), said.append) and "nothing to fetch" in said[0] and hub.asked == []


def test_benchmarks_come_from_the_mirror(shared_data, make_config, tmp_path):
    config = make_config(("open", "open"), mirror=str(shared_data))
    config = config.model_copy(
        update={
            "benchmarks": config.benchmarks.model_copy(
                update={"tasks": ["mmlu", "truthfulqa_mc2"], "data": str(tmp_path / "benchmarks")}
            )
        }
    )
    said = []
    assert prefetch(config, said.append)
    assert (tmp_path / "benchmarks" / "truthfulqa" / "validation.json").is_file()
    assert len(list((tmp_path / "benchmarks" / "mmlu").glob("*_test.csv"))) == 6
    assert "not checked" in "\n".join(said)


def test_by_hand(registry, tmp_path, capsys):
    options = ["--registry", str(registry), "--folder", str(tmp_path / "data")]
    assert main(["fetch", "open", *options]) == 0
    assert (tmp_path / "data" / "open" / "open.csv").is_file()
    assert main(["fetch", "open", "gated", *options]) == 1
    assert main(["fetch", "openn", *options]) == 2
    said = capsys.readouterr()
    assert "accept the licence" in said.err and "such as open" in said.err
    assert main(["status", *options]) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines["open"][1:4] == ["yes", "bytes", "open"] and lines["gated"][1:4] == ["no", "commit", "click-through"]
    assert lines["catqa"][1:3] == ["no", "no"] and lines["pile"][1:3] == ["by", "hand"]
