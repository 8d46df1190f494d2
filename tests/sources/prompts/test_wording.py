from hypothesis import given
from hypothesis import strategies as st

from anatomy.sources.prompts.wording import normal_wording


@given(st.text(max_size=30))
def test_normal_wording_is_stable(text):
    once = normal_wording(text)
    assert normal_wording(once) == once


def test_normal_wording_ignores_case_spacing_and_punctuation_but_not_words():
    assert normal_wording("  What’s THIS,\n then?") == normal_wording("what s this then")
    assert normal_wording("ﬁve") == "five"
    assert normal_wording("no") != normal_wording("not")
    assert normal_wording("???") != normal_wording("!!!")
