"""What superficial knowledge asks of each model: training answers of the aligned one, test answers of both and of every head."""

from __future__ import annotations

from collections.abc import Sequence

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.reference import MadeReference
from anatomy.interventions.variant import Role, Variant
from anatomy.recipes.superficial.pairs import (
    FINE_TUNED,
    IN_CONTEXT,
    POOLED,
    Head,
    heads_of_base,
    is_fine_tuned,
    ordered_around,
    ordered_heads,
    roles,
    shows_examples,
    way_of,
)
from anatomy.stages.generation_request import GenerationRequest, Manner
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
    if is_fine_tuned(config, subject):
        made: MadeReference = {"made": f"superficial.{FINE_TUNED}"}
        variants.append(
            Variant(
                FINE_TUNED, "method", (made,), test_sets(config, subject), benchmarked=True, family=FINE_TUNED, form=FINE_TUNED
            )
        )
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


def asked(config: Config, subject: Subject, phase: str, found: JsonObject) -> list[GenerationRequest]:
    """The unedited model's answers to training prompts of every task; in phase test what no engine is asked: other manners.

    Args:
        found: heads of the template control, by name, in phase test.
    """
    if phase == "fit":
        if "aligned" not in roles(config, subject):
            return []
        sets = tuple(dict.fromkeys(config.superficial.tasks.values()))
        return [GenerationRequest(Variant("base", "base", (), sets), "request")]
    return _other_manners(config, subject, found) if phase == "test" else []


def _other_manners(config: Config, subject: Subject, found: JsonObject) -> list[GenerationRequest]:
    """The template control: both models in their other way, the base with a head of each order. The base behind examples."""
    heads = ordered_heads(config, subject)
    ways = [way_of(order, "base") for order in dict.fromkeys(head.order for head in heads)]
    ways += [way_of(order, "aligned") for order in ordered_around(config, subject)]
    own = "template" if subject.template else "plain"
    wanted = [_unedited(f"as-{way}", way, config.evaluation.pair) for way in dict.fromkeys(ways) if way != own]
    for head in heads:
        way = way_of(head.order, "base")
        edit = found[f"superficial.{head.name}"]
        variant = Variant(
            head.name,
            "control",
            (edit,),
            tuple(config.evaluation.pair),
            family=head.name,
            form="head",
            control="template",
            control_seed=config.superficial.training.seed,
            manner=way,
        )
        wanted.append(GenerationRequest(variant, way))
    if shows_examples(config, subject):
        wanted.append(_unedited(IN_CONTEXT, "in context", test_sets(config, subject)))
    return wanted


def _unedited(name: str, manner: Manner, sets: Sequence[str]) -> GenerationRequest:
    """The unedited model spoken to in a manner that is not its own."""
    role: Role = "method" if name == IN_CONTEXT else "control"
    control = "" if name == IN_CONTEXT else "template"
    return GenerationRequest(Variant(name, role, (), tuple(sets), family=name, form=name, control=control, manner=manner), manner)
