"""All checks of one model, as data: what was found, what is wrong, what a reader should know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from anatomy.errors import AnatomyError, ModelError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.machine.formats import Format
from anatomy.models.machine.memory import Machine
from anatomy.models.memory import STEP_TOKENS, Backend, MemoryEstimate, estimate_memory, shortage
from anatomy.models.preflight.architecture import Architecture, read_architecture, require_architecture
from anatomy.models.preflight.context import ContextNeed, measure_context, require_context
from anatomy.models.preflight.folder import folder_notes, folder_problems
from anatomy.models.rendering import Rendering
from anatomy.models.rendering_facts import RenderingFacts, describe_rendering
from anatomy.models.size import ModelSize, model_size
from anatomy.models.tokenizer import load_tokenizer

Found = TypeVar("Found")


@dataclass(frozen=True)
class ModelNeeds:
    """What a run asks of a model.

    Attributes:
        dtype: number format it is loaded and served in.
        option: where that is asked for, such as ``models.mine.dtype``.
        renderings: how it is spoken to, by what for (``plain``, ``system``, ``answers``).
        prompts: texts by the name of their set; {} to leave the context unchecked.
        max_new_tokens, max_model_len, kv_cache_bytes: as in ``evaluation`` and ``serving``.
        sequences: prompts that transformers answers in one batch.
        step_tokens: tokens that extraction reads in one forward pass.
    """

    dtype: Format
    renderings: Mapping[str, Rendering]
    prompts: Mapping[str, Sequence[str]]
    max_new_tokens: int
    max_model_len: int
    kv_cache_bytes: int
    sequences: int
    step_tokens: int
    option: str = "dtype"


@dataclass(frozen=True)
class ModelReport:
    """One model, examined without reading a weight. A part is None or absent where what it needs is itself wrong.

    Attributes:
        renderings: facts of each rendering.
        memory: estimates for each backend at the run's own batch sizes.
        problems: what would stop the run, each with a remedy.
        notes: what will not stop it.
    """

    folder: Path
    architecture: Architecture | None
    size: ModelSize | None
    renderings: dict[str, RenderingFacts]
    context: ContextNeed | None
    memory: dict[Backend, MemoryEstimate]
    machine: Machine
    problems: tuple[AnatomyError, ...]
    notes: tuple[str, ...]

    def check(self) -> tuple[Architecture, ModelSize]:
        """Raise what is wrong: the problem itself if it is one, all of them in one message if there are more.

        Returns:
            Architecture and size, which a report without problems has.

        Raises:
            AnatomyError: the report has problems.
        """
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            raise ModelError(
                found=f"{len(self.problems)} problems\n" + "\n".join(map(str, self.problems)),
                expected="a model that the run can use",
                where=str(self.folder),
            )
        if self.architecture is None or self.size is None:
            raise ModelError(found="no architecture or no size", expected="both", where=str(self.folder))
        return self.architecture, self.size


def examine_model(folder: Path, needs: ModelNeeds, machine: Machine) -> ModelReport:
    """Check a model folder against a run: seconds, mostly imports; reads config.json, tokenizer and safetensors headers.

    Nothing is raised; what is wrong stands in the report.

    Args:
        machine: what it will run on; ``this_machine()`` for here.
    """
    problems: list[AnatomyError] = []

    def attempt(check: Callable[[], Found]) -> Found | None:
        try:
            return check()
        except AnatomyError as error:
            problems.append(error)
            return None

    folder = Path(folder)
    architecture = attempt(lambda: read_architecture(folder))
    if architecture is None:
        return ModelReport(folder, None, None, {}, None, {}, machine, tuple(problems), ())
    attempt(lambda: require_architecture(architecture, str(folder)))
    checkpoint = attempt(lambda: Checkpoint(folder))
    size = None if checkpoint is None else attempt(lambda: model_size(checkpoint))
    tokenizer = attempt(lambda: load_tokenizer(folder))
    problems += folder_problems(folder, checkpoint, tokenizer, needs.dtype, needs.option)
    renderings: dict[str, RenderingFacts] = {}
    for name, rendering in needs.renderings.items() if tokenizer is not None else ():
        facts = attempt(partial(describe_rendering, tokenizer, rendering))
        if facts is not None:
            renderings[name] = facts
    context = None
    if tokenizer is not None and needs.prompts and len(renderings) == len(needs.renderings):
        context = attempt(
            lambda: measure_context(
                tokenizer,
                needs.prompts,
                list(needs.renderings.values()),
                max_new_tokens=needs.max_new_tokens,
                context=architecture.context,
                max_model_len=needs.max_model_len,
            )
        )
        if context is not None:
            attempt(lambda: require_context(context, str(folder)))
    memory = {}
    if size is not None:
        memory = _memory(size, needs, context, gpu=machine.gpu is not None)
        problems += [error for estimate in memory.values() if (error := shortage(size, estimate, machine, str(folder)))]
    return ModelReport(
        folder,
        architecture,
        size,
        renderings,
        context,
        memory,
        machine,
        _distinct(problems),
        (*_notes(architecture, renderings), *(() if problems else folder_notes(folder, checkpoint, tokenizer))),
    )


def _memory(size: ModelSize, needs: ModelNeeds, context: ContextNeed | None, gpu: bool) -> dict[Backend, MemoryEstimate]:
    """Transformers at its own batch size; vLLM with its reserved cache, or room for one longest prompt on a GPU."""
    length = needs.max_model_len if context is None else context.needed
    return {
        "transformers": estimate_memory(
            size,
            "transformers",
            needs.dtype,
            sequences=needs.sequences,
            length=length,
            step_tokens=max(needs.step_tokens, needs.sequences * length),
        ),
        "vllm": estimate_memory(
            size,
            "vllm",
            needs.dtype,
            length=needs.max_model_len,
            kv_cache_bytes=None if gpu else needs.kv_cache_bytes,
            step_tokens=STEP_TOKENS,
        ),
    }


def _distinct(problems: list[AnatomyError]) -> tuple[AnatomyError, ...]:
    return tuple({str(problem): problem for problem in problems}.values())


def _notes(architecture: Architecture, renderings: dict[str, RenderingFacts]) -> list[str]:
    notes = [f"{name}: {note}" for name, facts in renderings.items() for note in facts.notes]
    if architecture.in_vllm is False:
        notes.append(f"vLLM has no code of its own for {architecture.name} and would run that of transformers, which is slower")
    if architecture.quantised:
        notes.append(f"the weights are quantised ({architecture.quantised}): they can be read, not edited")
    if architecture.context is None:
        notes.append("config.json does not say how long a text may be; only serving.max_model_len is checked")
    return notes
