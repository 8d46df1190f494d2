"""One vLLM engine for all engine tests of a session: a start costs about twenty seconds, most of it importing vLLM."""

import atexit
import functools
import tempfile
from pathlib import Path

from tiny_model import make_tiny_model

STARTS: list[dict] = []
"""What ``on_start`` was told, one entry a start."""


@functools.cache
def served_model() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="served-")
    atexit.register(folder.cleanup)
    return make_tiny_model(Path(folder.name), seed=11)


@functools.cache
def shared_engine():
    """An open engine over ``served_model`` with room for four rank-1 adapters at a time."""
    from anatomy.serving.engine import Engine

    engine = Engine(
        served_model(),
        dtype="float32",
        max_model_len=1024,
        seed=0,
        kv_cache_bytes=2**27,
        threads=1,
        adapters=True,
        max_loras=4,
        target_modules=("o_proj", "down_proj", "embed_tokens"),
        on_start=STARTS.append,
    )
    atexit.register(engine.__exit__, None, None, None)
    return engine.__enter__()


def close_shared_engine() -> None:
    """Close it before a test opens an engine of its own: closing one breaks any other that is open. The next call opens anew."""
    if shared_engine.cache_info().currsize:
        shared_engine().__exit__(None, None, None)
        shared_engine.cache_clear()
