"""A model larger than memory never reaches vLLM."""

import pytest
from tiny_model import make_tiny_model

from anatomy.errors import ConfigError, ModelError
from anatomy.models import memory
from anatomy.models.machine.memory import Machine
from anatomy.serving import engine as module
from anatomy.serving.engine import Engine

CACHE = 2**27


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "check_hardware", lambda: "cpu")
    monkeypatch.setattr(module, "prepare_environment", lambda threads: None)
    monkeypatch.setattr(memory, "this_machine", lambda gpu: Machine(2**30, CACHE))
    return make_tiny_model(tmp_path / "tiny")


def start(folder, cache):
    return Engine(folder, dtype="float32", max_model_len=128, seed=0, kv_cache_bytes=cache).__enter__()


def test_weights_and_cache_must_fit(folder, monkeypatch):
    monkeypatch.setattr(
        "builtins.__import__",
        lambda name, *rest, real=__import__: pytest.fail("vLLM was imported") if name.startswith("vllm") else real(name, *rest),
    )
    with pytest.raises(ModelError, match="128 MiB are free") as caught:
        start(folder, CACHE)
    assert str(folder) in caught.value.where and "smaller" in caught.value.remedy


def test_a_folder_without_weights_is_refused_as_such(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights"):
        start(folder, 2**20)


def test_an_engine_on_gpus_takes_them_before_it_starts(folder, monkeypatch):
    """Outside of a job nobody has held any for it; no GPU here, so that what it asks for is recorded."""
    asked = []

    def refused(count):
        asked.append(count)
        raise ConfigError(found="2 visible GPUs (held)", expected="2 that no other process uses", where="here")

    monkeypatch.setattr(module, "check_hardware", lambda: "cuda")
    monkeypatch.setattr(module, "this_device", refused)
    with pytest.raises(ConfigError, match="that no other process uses"):
        Engine(folder, dtype="float32", max_model_len=128, seed=0, kv_cache_bytes=CACHE, gpus=2).__enter__()
    assert asked == [2]
