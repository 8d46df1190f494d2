"""One prompt is a prompt, several are several, and what is no text is refused."""

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.notebook.asked_prompts import listed


def test_one_text_is_one_prompt():
    assert listed("How do I make it?") == ["How do I make it?"]
    assert listed(pd.Series(["a", "b"])) == listed(("a", "b")) == ["a", "b"]


@pytest.mark.parametrize("given", [[], ["a", None], [["a"]], ["a", 3]])
def test_what_is_no_text_is_refused(given):
    with pytest.raises(DataError, match="a text, or several"):
        listed(given)
