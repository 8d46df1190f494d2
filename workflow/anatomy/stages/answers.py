"""Completions as rows of the store: what is wanted, and how an engine computes what is missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.config.methods import Evaluation
from anatomy.models.card import ModelCard, computed_in
from anatomy.models.rendering import Rendering, render
from anatomy.serving.decoding import Decoding, Generation, request_seed
from anatomy.serving.engine import Engine
from anatomy.serving.variants import Job, Variant, VariantCompletions
from anatomy.store.cell import Cell
from anatomy.store.digest import digest
from anatomy.store.fill import Want, assemble
from anatomy.store.json_objects import JsonObject

PINS: tuple[str, ...] = ("torch", "transformers", "vllm")

SORT = ["variant", "set", "id", "sample"]
COLUMNS = [
    "model",
    "variant",
    "phase",
    "set",
    "id",
    "sample",
    "prompt",
    "response",
    "label",
    "category",
    "source",
    "group",
    "pair",
    "n_tokens",
    "finish_reason",
    "backend",
    "dtype",
    "seed",
    "withheld",
]
SHARD = 512
"""Completions a shard: what a kill may cost, against how busy the engine is kept."""


def decoding_of(evaluation: Evaluation) -> Decoding:
    """How completions are decoded."""
    return Decoding(evaluation.max_new_tokens, evaluation.temperature, evaluation.top_p)


def with_items(prompts: pd.DataFrame, name: str, evaluation: Evaluation) -> pd.DataFrame:
    """Prompts as wanted rows. Greedy answers depend on the prompt alone; sampled ones on the request's seed too."""
    rows = prompts.drop(columns="response").assign(set=name, sample=0)
    if evaluation.temperature == 0:
        rows["seed"] = -1
        rows["item"] = [digest({"prompt": prompt}) for prompt in rows["prompt"]]
    else:
        rows["seed"] = [request_seed(evaluation.seed, prompt_id, 0) for prompt_id in rows["id"]]
        rows["item"] = [
            digest({"prompt": prompt, "seed": seed}) for prompt, seed in zip(rows["prompt"], rows["seed"], strict=True)
        ]
    return rows


def answer_cell(
    store: Path,
    model: ModelCard,
    edits: Sequence[JsonObject],
    rendering: Rendering,
    decoding: Decoding,
    backend: str,
    code: str,
    withheld: str = "",
) -> Cell:
    """The cell of one variant's completions.

    Args:
        model: the model's card.
        edits: keys of its concrete edits, first edit first.
        code: fingerprint of the code that shapes the rows.
        withheld: fingerprint of the judges whose verdicts stand in place of the texts; empty where texts are kept.
    """
    return Cell(
        store,
        "generate",
        {
            **({"withheld": withheld} if withheld else {}),
            "code": code,
            "model": model["digest"],
            "edits": list(edits),
            "rendering": rendering.key(),
            "decoding": decoding.key(),
            "backend": backend,
            **computed_in(model),
        },
    )


def completions_table(wants: list[Want]) -> pd.DataFrame:
    """The table of completions; with its columns also where nothing was wanted."""
    return assemble(wants, SORT).reindex(columns=COLUMNS)


Keep = Callable[[Want, pd.DataFrame], pd.DataFrame]
"""What of a shard may be kept: all of it, or verdicts in place of texts (``anatomy.stages.withheld``)."""


def to_rows(generations: Sequence[Generation], items: Sequence[str]) -> pd.DataFrame:
    """Generations as rows of a cell."""
    return pd.DataFrame(
        {
            "item": list(items),
            "response": [generation.text for generation in generations],
            "n_tokens": [len(generation.token_ids) for generation in generations],
            "finish_reason": [generation.finish_reason for generation in generations],
            "withheld": None,
        }
    )


def compute_answers(
    variant_of: Callable[[Want], Variant], keep: Keep, rendering: Rendering, decoding: Decoding, say: Callable[[str], None]
) -> Callable[[Engine, list[Want]], Iterator[tuple[Want, pd.DataFrame]]]:
    """How an engine fills cells of completions: base first, then adapters batched together, then other edits one by one.

    Args:
        variant_of: what a cell's rows are answered by; one name a cell.
    """

    def compute(engine: Engine, wants: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        jobs = []
        for want in wants:
            jobs.append(Job(variant_of(want), prompts_of(want, engine.tokenizer, rendering)))
        with closing(iter(VariantCompletions(engine, jobs, decoding, shard_size=SHARD, say=say))) as shards:
            for origin, generations in shards:
                yield from by_want(wants, origin, generations, keep)

    return compute


def unchanged_variants(
    table: pd.DataFrame, base: Collection[str], edited: Collection[str], say: Callable[[str], None]
) -> list[str]:
    """Edited variants that wrote exactly what the unedited model wrote on every prompt that both were asked; each is reported.

    An edit that never reached the engine looks like this, and so does one too small to matter: a person must look.

    Args:
        table: completions; of a text that is withheld only its length is compared, and a variant without any other text is
            not said to be unchanged.
        base: ids of the unedited variants.
        edited: ids of variants with edits.
    """
    item = ["set", "id", "sample"]
    plain = table[table["withheld"].isna() & table["variant"].isin(list(base))].drop_duplicates(item)
    both = table.merge(plain[[*item, "response", "n_tokens"]], on=item, suffixes=("", "_base"))
    known = both["withheld"].isna()
    alike = (both["response"] == both["response_base"]).where(known, both["n_tokens"] == both["n_tokens_base"])
    equal = alike.groupby(both["variant"]).all() & known.groupby(both["variant"]).any()
    found = [variant for variant in edited if equal.get(variant, False)]
    for variant in found:
        say(f"WARNING: {variant} answers every prompt exactly as the unedited model: its edit did not arrive, or does nothing")
    return found


def prompts_of(want: Want, tokenizer: Any, rendering: Rendering) -> list[tuple[list[int], int | None]]:
    """Token ids and sampling seed (None where decoding is greedy) of each wanted row."""
    prompts = render(tokenizer, list(want.rows["prompt"]), rendering)
    return [(ids, None if seed < 0 else seed) for ids, seed in zip(prompts, want.rows["seed"], strict=True)]


def by_want(
    wants: list[Want], origin: list[tuple[int, int]], generations: Sequence[Generation], keep: Keep
) -> Iterator[tuple[Want, pd.DataFrame]]:
    """Sort one shard's generations back into the cells they belong to.

    Args:
        origin: the want and the row in it that each generation answers.
    """
    parts: dict[int, list[tuple[int, Generation]]] = {}
    for (number, row), generation in zip(origin, generations, strict=True):
        parts.setdefault(number, []).append((row, generation))
    for number, part in parts.items():
        items = wants[number].rows["item"].iloc[[row for row, _ in part]]
        yield wants[number], keep(wants[number], to_rows([generation for _, generation in part], list(items)))
