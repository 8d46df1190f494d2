"""The prompt format of a configured model judge."""

from __future__ import annotations

from anatomy.config.judging import REFUSAL_RUBRIC, ModelJudge
from anatomy.models.rendering import Rendering
from anatomy.store.json_objects import JsonObject
from anatomy.texts.judges.model_judges.format import JudgeFormat
from anatomy.texts.judges.model_judges.harmbench import harmbench_format
from anatomy.texts.judges.model_judges.llama_guard import llama_guard_format
from anatomy.texts.judges.model_judges.rubric import rubric_format
from anatomy.texts.judges.model_judges.strongreject import strongreject_format
from anatomy.texts.judges.model_judges.wildguard import wildguard_format

PINS: tuple[str, ...] = ()


def judge_format(judge: ModelJudge) -> JudgeFormat:
    """The format of a judge by its kind."""
    match judge.kind:
        case "llama_guard":
            return llama_guard_format()
        case "wildguard":
            return wildguard_format()
        case "harmbench":
            return harmbench_format(judge.rules)
        case "strongreject":
            return strongreject_format()
        case "rubric":
            rubric = judge.rubric or REFUSAL_RUBRIC
            return rubric_format(
                rubric.question, rubric.answers, rubric.labels, Rendering(template=rubric.template, date=rubric.date)
            )


def format_key(judge: ModelJudge) -> JsonObject:
    """The options that shape a judge's verdicts, as plain JSON: part of a cell's key."""
    shaping: JsonObject = {"kind": judge.kind, "context": judge.max_model_len, "too_long": judge.too_long}
    if judge.kind == "harmbench":
        shaping["rules"] = judge.rules
    if judge.kind == "rubric":
        shaping["rubric"] = (judge.rubric or REFUSAL_RUBRIC).model_dump(mode="json")
    return shaping
