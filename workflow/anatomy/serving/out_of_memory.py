"""What to lower when an engine runs out of memory."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TypedDict

from anatomy.errors import EngineError

SAYS_SO = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|no available memory|kv cache memory|"
    r"available memory",
    re.IGNORECASE,
)


class MemorySettings(TypedDict):
    """What decides how much memory an engine takes."""

    kv_cache_bytes: int
    max_model_len: int
    max_loras: int
    max_lora_rank: int
    dtype: str


@contextlib.contextmanager
def memory_explained(where: str, settings: MemorySettings) -> Iterator[None]:
    """Run the body; if memory runs out in it, say which settings take memory and what they stand at.

    Raises:
        EngineError: memory ran out. Every other failure passes as it is.
    """
    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        if not isinstance(error, MemoryError) and not SAYS_SO.search(str(error)):
            raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EngineError(
            found=f"{first[:300]} ({', '.join(f'{name} {value}' for name, value in settings.items())})",
            expected="weights, cache and adapters that fit together",
            where=where,
            remedy="lower what takes memory: kv_cache_bytes (it must still hold one prompt of max_model_len), max_model_len, "
            "max_loras and max_lora_rank, prompts a shard; or a narrower dtype",
        ) from error
