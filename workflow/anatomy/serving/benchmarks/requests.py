"""A task's requests, built and tokenised once, and the rows that any variant's answers to them make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask

from anatomy.errors import DataError
from anatomy.serving.benchmarks.engine_lm import EngineLM
from anatomy.serving.benchmarks.items import Item, document_digest, plan, shots
from anatomy.serving.benchmarks.sample_rows import SampleRow, sample_row
from anatomy.serving.benchmarks.scoring import Encoded, require_scorable
from anatomy.serving.decoding import request_seed
from anatomy.serving.likelihood import Likelihood
from anatomy.sources.benchmark_rows import Row


@dataclass(frozen=True)
class Question:
    """One item with its choices.

    Attributes:
        item: what it is in the task.
        document: the task's processed row.
        instances: lm-eval's, one a choice (or more, where a metric asks for them).
        encoded: their tokens.
    """

    item: Item
    document: Row
    instances: tuple[Instance, ...]
    encoded: tuple[Encoded, ...]


@dataclass(frozen=True)
class TaskRequests:
    """Questions of one task, in the order of its items."""

    task: ConfigurableTask
    questions: tuple[Question, ...]

    def only(self, indices: Sequence[int]) -> TaskRequests:
        """The questions of these items (``Item.index``)."""
        wanted = set(indices)
        return TaskRequests(self.task, tuple(one for one in self.questions if one.item.index in wanted))

    @property
    def encoded(self) -> list[Encoded]:
        return [request for question in self.questions for request in question.encoded]


def build_requests(
    lm: EngineLM,
    task: ConfigurableTask,
    indices: Sequence[int],
    *,
    num_fewshot: int | None,
    fewshot_seed: int,
    chat_template: bool = False,
    system: str | None = None,
) -> TaskRequests:
    """Prompts and tokens of some items, as ``evaluate`` would ask them (see there for how examples are drawn).

    Args:
        lm: of the variants' model; only its tokenizer is used.
        indices: sorted places of items, at least one.

    Raises:
        DataError: as ``evaluate``; or a question longer than the engine's context, or without tokens.
    """
    with prepared(task, shots(task, num_fewshot), fewshot_seed):
        task.build_all_requests(
            samples=list(indices),
            system_instruction=system,
            apply_chat_template=chat_template,
            fewshot_as_multiturn=chat_template,
            chat_template=lm.apply_chat_template if chat_template else None,
        )
    by_document: defaultdict[int, list[Instance]] = defaultdict(list)
    for instance in task.instances:
        by_document[instance.doc_id].append(instance)
    tokens = iter(lm.encode_pairs([instance.args for instance in task.instances]))
    encoded = {id(instance): next(tokens) for instance in task.instances}
    items = {item.index: item for item in plan(task)}
    questions = []
    for number, instances in sorted(by_document.items()):  # lm-eval numbers the items asked for from 0
        instances.sort(key=lambda instance: instance.idx)
        questions.append(
            Question(
                items[indices[number]], instances[0].doc, tuple(instances), tuple(encoded[id(instance)] for instance in instances)
            )
        )
    found = TaskRequests(task, tuple(questions))
    require_scorable(found.encoded, lm.max_length, f"task {task.task_name}")
    return found


def rows(requests: TaskRequests, likelihoods: Sequence[Likelihood]) -> list[SampleRow]:
    """One row an item from a variant's answers to all requests, in order; lm-eval's filters and metrics.

    Raises:
        NumericsError: a metric is NaN.
    """
    task, answers = requests.task, iter(likelihoods)
    instances = [instance for question in requests.questions for instance in question.instances]
    for instance in instances:
        instance.resps, instance.filtered_resps = [tuple(next(answers))], {}
    task._instances = instances
    task.apply_filters()
    found = []
    for question in requests.questions:
        for filtered in question.instances[0].filtered_resps:
            responses = [instance.filtered_resps[filtered] for instance in question.instances]
            found.append(
                sample_row(task, question.item, question.document, responses, task.process_results(question.document, responses))
            )
    return found


def wanted_items(
    tasks: Mapping[str, ConfigurableTask], indices: Mapping[str, Sequence[int]] | None, limit: int | None
) -> dict[str, list[int]]:
    """Places of the items asked for in each task; tasks without any are left out.

    Raises:
        DataError: a place outside its task.
    """
    wanted = {}
    for name, task in tasks.items():
        total = len(task.task_docs)
        asked = range(min(limit or total, total)) if indices is None else indices.get(name, ())
        # Sorted and never empty: lm-eval pairs unsorted places with other items, and takes none for all.
        places = sorted(set(asked))
        if places and not 0 <= places[0] <= places[-1] < total:
            raise DataError(found=f"items {places[0]} to {places[-1]}", expected=f"0 to {total - 1}", where=f"task {name}")
        if places:
            wanted[name] = places
    return wanted


@contextmanager
def prepared(task: ConfigurableTask, number: int, seed: int) -> Iterator[None]:
    """The task with this number of examples, drawn by item; afterwards as it was, so that its own number stays known."""
    own, context = task.get_config("num_fewshot"), task.fewshot_context

    def fewshot_context(document: Row, *arguments: Any, **options: Any) -> Any:
        if hasattr(task, "sampler"):
            task.sampler.set_rnd(request_seed(seed, document_digest(document), 0))
        return context(document, *arguments, **options)

    task.set_config("num_fewshot", number)
    task.fewshot_context = fewshot_context
    try:
        yield
    finally:
        task.set_config("num_fewshot", own)
        del task.fewshot_context
