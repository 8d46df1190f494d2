import pytest

from anatomy.errors import DataError
from anatomy.interventions.directions.refusal_tokens import common_prefix, derive_refusal_tokens

BOUNDS = dict(least_refusal_share=0.1, most_compliance_share=0.05)


def test_tokens_that_begin_refusals_only():
    answers = [[5, 1]] * 6 + [[6, 1]] * 3 + [[7, 2]] + [[7, 2]] * 10
    found = derive_refusal_tokens(answers, [True] * 10 + [False] * 10, **BOUNDS)
    assert (found.outcome, found.tokens, found.common_prefix) == ("found", (5, 6), ())
    assert found.coverage == 0.9
    assert found.refusal_counts == {5: 6, 6: 3, 7: 1}


def test_the_token_after_a_shared_opener_counts():
    answers = [[9, 9, 5, 1]] * 4 + [[9, 9, 7, 2]] * 4
    found = derive_refusal_tokens(answers, [True] * 4 + [False] * 4, **BOUNDS)
    assert (found.common_prefix, found.tokens) == ((9, 9), (5,))


def test_nothing_found_is_an_outcome():
    never = derive_refusal_tokens([[5], [6], [7]], [False] * 3, **BOUNDS)
    assert (never.outcome, never.tokens, never.refusals) == ("none found", (), 0)
    alike = derive_refusal_tokens([[5, 1], [6, 1]] * 4, [True, True, False, False] * 2, **BOUNDS)
    assert alike.outcome == "none found"


def test_equal_answers_leave_a_last_token_to_read():
    assert common_prefix([[1, 2, 3], [1, 2, 3]]) == (1, 2)
    assert common_prefix([[1, 2, 3]]) == ()
    assert common_prefix([]) == ()


def test_flags_must_match():
    with pytest.raises(DataError, match="1 flags for 2"):
        derive_refusal_tokens([[1], [2]], [True], **BOUNDS)


@pytest.mark.parametrize(
    ("refusals", "compliances", "found"),
    [
        ((31, 33), (2, 79), True),  # Qwen2.5-Coder with 112 prompts: 2.5 % is not surely more than 2 %
        ((31, 33), (12, 79), False),
        ((5, 56), (4, 56), False),  # as often in both
        ((9, 20), (0, 20), True),
    ],
)
def test_few_compliances_decide_by_an_interval(refusals, compliances, found):
    answers, refused = [], []
    for flag, (count, total) in ((True, refusals), (False, compliances)):
        answers += [[1, 5]] * count + [[100 + flag * 500 + number, 5] for number in range(total - count)]
        refused += [flag] * total
    derived = derive_refusal_tokens(answers, refused, least_refusal_share=0.05, most_compliance_share=0.02)
    assert (1 in derived.tokens) == found
