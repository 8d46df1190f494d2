"""How a task that asks for a text (lm-eval's ``generate_until``) wants it decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anatomy.errors import ConfigError
from anatomy.serving.decoding import Decoding

NEUTRAL = {"top_k": (None, 0, -1), "num_beams": (None, 1), "repetition_penalty": (None, 1.0), "min_p": (None, 0.0)}
"""Options a task may name with a value that changes nothing."""


def decoding_of(options: Mapping[str, Any], max_gen_toks: int) -> Decoding:
    """A task's ``generation_kwargs`` as a ``Decoding``.

    lm-eval's rules: greedy unless ``do_sample`` with a temperature above 0 (a temperature alone samples too); ``until`` is a
    text or several; ``max_gen_toks`` or one of its synonyms bounds the length.

    Raises:
        ConfigError: an option that the engine would not honour.
    """
    left = dict(options)
    until = left.pop("until", None) or ()
    lengths = [
        left.pop(name)
        for name in ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
        if left.get(name) is not None
    ]
    temperature = float(left.pop("temperature", None) or 0.0)
    sampled = left.pop("do_sample", None)
    top_p = left.pop("top_p", None)
    unknown = {name: value for name, value in left.items() if value not in NEUTRAL.get(name, (None,))}
    if unknown:
        raise ConfigError(
            found=f"generation options {unknown}",
            where="the benchmark's task",
            expected="until, max_gen_toks, temperature, do_sample, top_p",
            remedy="drop them from the task's generation_kwargs, or run the task on another backend",
        )
    greedy = sampled is False or temperature == 0.0
    return Decoding(
        max_new_tokens=int(lengths[0] if lengths else max_gen_toks),
        temperature=0.0 if greedy else temperature,
        top_p=1.0 if greedy or top_p is None else float(top_p),
        stop=tuple(text for text in ([until] if isinstance(until, str) else until) if text),
    )
