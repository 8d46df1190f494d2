"""Many variants of one model on the same questions: requests are built once, scored once a variant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

from anatomy.errors import EditError
from anatomy.interventions.edits.adapter_factors import applied_adapter
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import Progress
from anatomy.serving.benchmarks.requests import TaskRequests, rows
from anatomy.serving.benchmarks.sample_rows import SampleRow
from anatomy.serving.benchmarks.scoring import score
from anatomy.serving.engine import Engine
from anatomy.serving.packed_likelihood import PackedScorer, open_packed

Enter = Callable[[], AbstractContextManager[Path | None]]
"""Puts the engine under a variant's edits for the time of a ``with`` body and gives the adapter to ask with, or None."""

InMemory = Callable[[LoadedModel], AbstractContextManager[Any]]
"""Puts the transformers module of the same model under a variant's edits for the time of a ``with`` body."""


def unedited(loaded: LoadedModel) -> AbstractContextManager[LoadedModel]:
    """The ``InMemory`` of the model itself."""
    return nullcontext(loaded)


def stream_variants(
    engine: Engine,
    variants: Mapping[str, Enter],
    built: Mapping[str, TaskRequests],
    asked: Mapping[str, Mapping[str, Sequence[int]]],
    *,
    in_memory: Mapping[str, InMemory] | None = None,
    packed: PackedScorer | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[tuple[str, str, list[SampleRow]]]:
    """Score variant after variant and give each task's rows as soon as they are there.

    Args:
        built: requests of each task, of every item that any variant is asked for.
        asked: for each variant and task the items (``Item.index``).

    Yields:
        ``(variant, task, rows)`` in the order of ``variants`` and of each one's tasks.
    """
    in_memory = in_memory or {}
    if packed is None and _any_long(built.values()):
        packed = open_packed(engine.model_folder, engine.dtype, say)
    weights = {variant: {task: len(places) for task, places in tasks.items()} for variant, tasks in asked.items()}
    progress = Progress("benchmark items", sum(sum(tasks.values()) for tasks in weights.values()), say)
    for variant, enter in variants.items():
        with ExitStack() as edits:
            adapter = edits.enter_context(enter())
            scorer = _under(packed, in_memory.get(variant), adapter, edits, variant, say)
            for task, places in asked[variant].items():
                with progress.part(weights[variant][task]):
                    requests = built[task].only(places)
                    likelihoods = score(engine, adapter, requests.encoded, packed=scorer)
                    table = rows(requests, likelihoods)
                yield variant, task, table


def _any_long(built: Iterable[TaskRequests]) -> bool:
    return any(len(choice) > 1 for requests in built for _key, _context, choice in requests.encoded)


def _under(
    packed: PackedScorer | None,
    in_memory: InMemory | None,
    adapter: Path | None,
    edits: ExitStack,
    variant: str,
    say: Callable[[str], None] | None,
) -> PackedScorer | None:
    """The packed scorer with its module under the variant's edits; None where these are not known or do not fit it."""
    if packed is None or (in_memory is None and adapter is None):
        return None
    try:
        edits.enter_context(in_memory(packed.loaded) if in_memory is not None else applied_adapter(packed.loaded, adapter))
    except EditError as error:
        if say is not None:
            say(f"{variant}: long choices are scored one by one by the engine: {error.found}")
        return None
    return packed
