"""A server of one's own in the place of every network, and entries that point to it."""

import pytest
from local_hub import serving

from anatomy.config.data import Data
from anatomy.sources.registry import download
from anatomy.sources.registry.entry import Entry


@pytest.fixture
def hub(monkeypatch):
    """The server, named as the hub; no token, no waiting between attempts."""
    with serving() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nonexistent/token")
        monkeypatch.setattr(download, "PAUSE", 0.0)
        yield running


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Options under which a network may be asked, whatever an engine started earlier has set."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return Data(folder=str(tmp_path / "data"), timeout=5.0, tries=1)


@pytest.fixture
def make_entry():
    """An entry with only what a test is about."""

    def make(files, **changes):
        return Entry.model_validate(
            {
                "title": "Set",
                "use": "prompts",
                "source": {"hub": "org/set"},
                "revision": "a" * 40,
                "files": files,
                "licence": "MIT",
                "gating": "open",
                "columns": {"goal": "prompt"},
                "label": "harmful",
                **changes,
            }
        )

    return make
