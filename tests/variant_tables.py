"""Benchmarks of many variants as one table each, over what the library streams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from lm_eval.api.task import ConfigurableTask

from anatomy.serving.benchmarks.engine_lm import EngineLM
from anatomy.serving.benchmarks.requests import build_requests, wanted_items
from anatomy.serving.benchmarks.sample_rows import samples_frame
from anatomy.serving.benchmarks.variants import Enter, InMemory, stream_variants
from anatomy.serving.engine import Engine
from anatomy.serving.packed_likelihood import PackedScorer


def evaluate_variants(
    engine: Engine,
    variants: Mapping[str, Enter],
    tasks: Mapping[str, ConfigurableTask],
    *,
    num_fewshot: int | None,
    fewshot_seed: int,
    indices: Mapping[str, Sequence[int]] | None = None,
    limit: int | None = None,
    chat_template: bool = False,
    system: str | None = None,
    in_memory: Mapping[str, InMemory] | None = None,
    packed: PackedScorer | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, pd.DataFrame]:
    """For each variant the table that ``evaluate`` gives for it alone.

    Args:
        engine: open.
        variants: by name, how the engine is put under each (``Engine.under`` has this shape).
        tasks, num_fewshot, fewshot_seed, indices, limit, chat_template, system: as ``evaluate``.
        in_memory: for packed rows, how the transformers module is put under a variant. Needed only where a variant enters
            without an adapter (``unedited`` for the model itself); an adapter is applied from its folder. A variant that
            enters without an adapter and is not named here may be edited inside the engine, so the engine alone scores it.
        packed: a scorer over the unedited model that is open already; None opens one where long choices ask for it
            (``open_packed``: on a CPU, a second copy of the weights).
        say: receives progress, and reasons for slower ways.

    Raises:
        DataError: as ``evaluate``; a question too long for the engine, before anything is scored.
        NumericsError: a log-probability or a metric is NaN.
    """
    wanted = wanted_items(tasks, indices, limit)
    lm = EngineLM(engine)
    built = {
        name: build_requests(
            lm,
            tasks[name],
            places,
            num_fewshot=num_fewshot,
            fewshot_seed=fewshot_seed,
            chat_template=chat_template,
            system=system,
        )
        for name, places in wanted.items()
    }
    asked = dict.fromkeys(variants, wanted)
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for variant, _task, table in stream_variants(engine, variants, built, asked, in_memory=in_memory, packed=packed, say=say):
        found[variant] += table
    return {variant: samples_frame(found[variant]) for variant in variants}
