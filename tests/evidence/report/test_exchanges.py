"""Completions side by side: what is shown and what is withheld."""

import pandas as pd
import pytest

from anatomy.evidence.report.exchanges import pair_completions

WHERE = {"model": "m", "prompts": "s", "variants": ["base", "edit"], "judge": "rules", "phase": "test", "limit": 9}


def tables(label: str, verdicts: dict[str, str | None]) -> tuple[pd.DataFrame, pd.DataFrame]:
    shared = {"model": "m", "phase": "test", "set": "s", "id": "i", "sample": 0}
    completions = [shared | {"variant": v, "prompt": "p", "response": f"text of {v}", "label": label} for v in verdicts]
    judgements = [
        shared | {"variant": v, "judge": "rules", "label": verdict, "parse_failure": verdict == "?"}
        for v, verdict in verdicts.items()
        if verdict
    ]
    columns = [*shared, "variant", "judge", "label", "parse_failure"]
    return pd.DataFrame(completions), pd.DataFrame(judgements, columns=columns)


@pytest.mark.parametrize("label", ["harmful", "", None, "unknown"])
@pytest.mark.parametrize("verdict", ["none", "partial", "?", None])
def test_what_may_be_harmful_and_was_not_refused_is_gone(label, verdict):
    found = pair_completions(*tables(label, {"base": verdict, "edit": "full"}), show_all=False, **WHERE)
    before, after = found[0].answers
    assert before.redacted and "text of base" not in before.text
    assert after.text == "text of edit" and not after.redacted


def test_harmless_prompts_and_the_exempt_show_everything():
    for label, show_all in (("benign", False), ("harmful", True)):
        found = pair_completions(*tables(label, {"base": "none", "edit": "none"}), show_all=show_all, **WHERE)
        assert [answer.text for answer in found[0].answers] == ["text of base", "text of edit"]


def test_a_variant_without_an_answer_is_named():
    found = pair_completions(*tables("benign", {"base": "none"}), show_all=False, **WHERE)
    assert found[0].answers[1].label == "missing"


def test_changed_answers_come_first():
    same, changed = tables("benign", {"base": "none", "edit": "none"}), tables("benign", {"base": "none", "edit": "full"})
    both = [pd.concat([one, two.assign(id="z")]) for one, two in zip(same, changed, strict=True)]
    assert [exchange.id for exchange in pair_completions(*both, show_all=False, **WHERE)] == ["z", "i"]
