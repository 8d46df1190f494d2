"""What superficial knowledge asks of each model: training answers of the aligned one, test answers of both and of every head."""

from __future__ import annotations

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.variant import Variant
from anatomy.recipes.superficial.pairs import POOLED, Head, heads_of_base, roles
from anatomy.stages.generation_request import GenerationRequest
from anatomy.store.json_objects import JsonObject


def test_sets(config: Config, subject: Subject) -> tuple[str, ...]:
    """Prompt sets that are answered on the test split, where they are there for this model."""
    evaluation = config.evaluation
    return tuple(name for name in evaluation.test_sets if subject.is_organism or name not in evaluation.left_out)


def on_test(config: Config, subject: Subject) -> list[Variant]:
    """The model as it is; a base with each head too. All heads but the pooled one answer harmful and benign requests only."""
    found = roles(config, subject)
    if not found:
        return []
    variants = [Variant("base", "base", (), test_sets(config, subject), benchmarked=True)]
    return variants + [_variant(config, subject, head) for head in heads_of_base(config, subject)]


def _variant(config: Config, subject: Subject, head: Head) -> Variant:
    pooled = head.kind == POOLED and not head.pair.is_control
    return Variant(
        head.name,
        "control" if head.control else "measure" if head.intent == "measure" else "method",
        ({"made": f"superficial.{head.name}"},),
        test_sets(config, subject) if pooled else tuple(config.evaluation.pair),
        benchmarked=pooled,
        family=head.name,
        form="head",
        control=head.control,
        control_seed=config.superficial.training.seed if head.control else -1,
    )


def training_answers(config: Config, subject: Subject, phase: str, found: JsonObject) -> list[GenerationRequest]:
    """The unedited model's answers to training prompts of every task."""
    if phase != "fit" or "aligned" not in roles(config, subject):
        return []
    sets = tuple(dict.fromkeys(config.superficial.tasks.values()))
    return [GenerationRequest(Variant("base", "base", (), sets), "request")]
