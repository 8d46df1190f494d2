"""Many variants of one model on one engine: ordered so that weights move as little as possible, each content computed once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anatomy.errors import ConfigError, EngineError
from anatomy.models.preflight.context import require_lengths
from anatomy.serving.completions import Request, stream
from anatomy.serving.decoding import Decoding, Generation, check_seeds
from anatomy.serving.serving_modes import ServingMode

if TYPE_CHECKING:
    from anatomy.serving.engine import Engine

Edits = Sequence[Any] | Callable[[], Sequence[Any]]


@dataclass(frozen=True)
class Variant:
    """The model under a stack of edits.

    Args:
        name: what the caller calls it.
        edits: none for the base; or a function that builds them, so that thousands need not be in memory together.
    """

    name: str
    edits: Edits = ()

    def built(self) -> Sequence[Any]:
        return self.edits() if callable(self.edits) else self.edits


@dataclass
class Plan:
    """Variants in the order in which they cost least.

    Attributes:
        ways: how each is served, duplicates too.
        duplicates: name to the variant before it that has the same edits.
    """

    base: list[Variant] = field(default_factory=list)
    adapters: list[tuple[Variant, Path]] = field(default_factory=list)
    reloads: list[tuple[list[str], Variant]] = field(default_factory=list)
    ways: dict[str, ServingMode] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)

    def batches(self, engine: Engine) -> Generator[tuple[list[Variant], list[Path | None]], None, None]:
        """Variants that can be asked together and their adapters; the engine is under their edits until the next is taken.

        Base first, then all adapters, then reloads one by one, those of the same tensors next to one another. Close the
        iterator (``contextlib.closing``) where it may be left early: the weights go back then.
        """
        if self.base:
            yield self.base, [None] * len(self.base)
        if self.adapters:
            yield [variant for variant, _ in self.adapters], [path for _, path in self.adapters]
        with engine.sweep():
            for _, variant in sorted(self.reloads, key=lambda one: one[0]):
                with engine.under(variant.built()) as adapter:
                    yield [variant], [adapter]

    def entries(self, engine: Engine) -> dict[str, Callable[[], AbstractContextManager[Path | None]]]:
        """How each variant is entered, in the order of ``batches``, for a caller that takes them one by one.

        Enter them inside ``engine.sweep()``, so that weights go back no more often than they must.
        """
        return {
            **{variant.name: nullcontext for variant in self.base},
            **{variant.name: partial(nullcontext, path) for variant, path in self.adapters},
            **{variant.name: partial(_under, engine, variant) for _, variant in sorted(self.reloads, key=lambda one: one[0])},
        }


def _under(engine: Engine, variant: Variant) -> AbstractContextManager[Path | None]:
    return engine.under(variant.built())


def plan_variants(engine: Engine, variants: Sequence[Variant], say: Callable[[str], None] | None = None) -> Plan:
    """Decide ways and order, write adapters, find duplicates.

    Raises:
        ConfigError: two variants of one name, or edits that the engine cannot serve.
        EditError: edits that do not fit the model.
    """
    from anatomy.interventions.edits.weight_edit import stack_digest, touched

    plan = Plan()
    known: dict[str, str] = {}
    for variant in variants:
        if variant.name in plan.ways:
            raise ConfigError(
                found=f"two variants called {variant.name}",
                expected="one name each",
                where="variants to serve",
                remedy="rename one; equal edits under two names are computed once",
            )
        edits = variant.built()
        way = plan.ways[variant.name] = engine.way(edits)
        content = stack_digest(edits) if way.kind in ("base", "adapter", "reload") else variant.name
        if content in known:
            plan.duplicates[variant.name] = known[content]
            _say(f"variant {variant.name} has the edits of {known[content]}: computed once", say)
            continue
        known[content] = variant.name
        if way.kind == "base":
            plan.base.append(variant)
        elif way.kind == "reload":
            plan.reloads.append((sorted(touched(edits)), variant))
        else:  # an adapter; or no way in this engine, which `under` refuses
            with engine.under(edits) as path:
                if path is None:
                    raise EngineError(found="no folder", expected="an adapter", where=f"variant {variant.name}")
                plan.adapters.append((variant, path))
    return plan


@dataclass(frozen=True)
class Job:
    """Prompts of one variant: token ids and seed of each request (None where decoding is greedy)."""

    variant: Variant
    requests: Sequence[tuple[list[int], int | None]]


class VariantCompletions:
    """Completions of many variants. Iterate once; what was found out on the way stands in the attributes afterwards.

    Args:
        engine: an open engine.
        jobs: variants with their prompts.
        shard_size: prompts a shard.
        say: receives progress, duplicates and warnings.

    Attributes:
        plan: ways, duplicates.
        unchanged: names of edited variants whose outputs equal the base's exactly on every prompt, as far as the base was asked
            the same prompts: an edit that did not arrive, or does nothing.

    Raises:
        ConfigError: as ``plan_variants``; sampling without seeds.
        DataError: a prompt is too long, before the first one is answered.
    """

    def __init__(
        self,
        engine: Engine,
        jobs: Sequence[Job],
        decoding: Decoding,
        *,
        shard_size: int,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._engine, self._jobs, self._decoding, self._size, self._say = engine, jobs, decoding, shard_size, say
        check_seeds(decoding, [seed for job in jobs for _, seed in job.requests], "completions of variants")
        require_lengths(
            [ids for job in jobs for ids, _ in job.requests],
            decoding.max_new_tokens,
            engine.max_model_len,
            f"{engine.model_folder}, max_model_len of its engine",
        )
        self.plan = plan_variants(engine, [job.variant for job in jobs], say)
        self.unchanged: list[str] = []

    def __iter__(self) -> Generator[tuple[list[tuple[int, int]], list[Generation]], None, None]:
        """Yields shards: ``(job, row)`` of each completion, and the completions."""
        wanted = self._wanted()
        base: dict[Any, list[int]] = {}
        with closing(self.plan.batches(self._engine)) as batches:
            for variants, adapters in batches:
                asked = [
                    (variant.name, key, adapter)
                    for variant, adapter in zip(variants, adapters, strict=True)
                    for key in wanted[variant.name]
                ]
                same = {variant.name: True for variant in variants}
                requests = [Request(list(ids), seed, adapter) for _, (ids, seed), adapter in asked]
                for places, generations in stream(self._engine, requests, self._decoding, self._size, self._say):
                    origin, answers = [], []
                    for place, generation in zip(places, generations, strict=True):
                        name, key, _ = asked[place]
                        if self.plan.ways[name].kind == "base":
                            base[key] = generation.token_ids
                        same[name] &= base.get(key) == generation.token_ids
                        origin += wanted[name][key]
                        answers += [generation] * len(wanted[name][key])
                    yield origin, answers
                for name, equal in same.items():
                    if equal and wanted[name] and self.plan.ways[name].kind != "base":
                        self._report_unchanged(name)

    def _wanted(self) -> dict[str, dict[Any, list[tuple[int, int]]]]:
        """For each variant that is computed, its different requests and every (job, row) that each of them answers."""
        wanted: dict[str, dict[Any, list[tuple[int, int]]]] = {}
        for number, job in enumerate(self._jobs):
            own = wanted.setdefault(self.plan.duplicates.get(job.variant.name, job.variant.name), {})
            for row, (ids, seed) in enumerate(job.requests):
                own.setdefault((tuple(ids), seed), []).append((number, row))
        return wanted

    def _report_unchanged(self, name: str) -> None:
        for one in [name, *(other for other, first in self.plan.duplicates.items() if first == name)]:
            self.unchanged.append(one)
            _say(
                f"WARNING: variant {one} writes exactly what the unedited model writes, on every prompt: its edit did not "
                "arrive or does nothing",
                self._say,
            )


def _say(text: str, say: Callable[[str], None] | None) -> None:
    logging.getLogger("anatomy").warning(text)
    if say is not None:
        say(text)
