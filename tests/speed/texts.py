"""Text at hand on any machine: the language's own manual, as prompts of chosen length and as HellaSwag-shaped items."""

import functools
import random
import re
from typing import Any


@functools.cache
def words() -> list[str]:
    """Words of Python's manual as pydoc carries it: some 60,000, the same for one version of Python."""
    from pydoc_data.topics import topics

    return re.findall(r"[A-Za-z][a-z]+[,.]?", " ".join(topics[name] for name in sorted(topics)))


def passages(count: int, shortest: int, longest: int, seed: int = 0) -> list[str]:
    """Pieces of running text of ``shortest`` to ``longest`` words, all of them different."""
    draw, text = random.Random(seed), words()
    starts = draw.sample(range(len(text) - longest), count)
    return [" ".join(text[start : start + draw.randint(shortest, longest)]) for start in starts]


def ending_items(count: int) -> list[dict[str, Any]]:
    """Rows in HellaSwag's columns and lengths: a context of 35 to 55 words and four endings of 15 to 30."""
    contexts, endings = passages(count, 35, 55, seed=1), passages(4 * count, 15, 30, seed=2)
    return [
        {
            "ind": n,
            "activity_label": "Reading",
            "ctx_a": context,
            "ctx_b": "",
            "ctx": context,
            "endings": endings[4 * n : 4 * n + 4],
            "label": str(n % 4),
            "source_id": f"manual{n}",
        }
        for n, context in enumerate(contexts)
    ]
