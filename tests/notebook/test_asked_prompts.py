"""One prompt is a prompt, several are several, and what is no text is refused; so is what is no edit, or no study."""

import pandas as pd
import pytest

import anatomy
from anatomy.errors import DataError, EditError, StoreError
from anatomy.notebook.asked_edits import spelled_out
from anatomy.notebook.asked_prompts import listed


def test_one_text_is_one_prompt():
    assert listed("How do I make it?") == ["How do I make it?"]
    assert listed(pd.Series(["a", "b"])) == listed(("a", "b")) == ["a", "b"]


@pytest.mark.parametrize("given", [[], ["a", None], [["a"]], ["a", 3]])
def test_what_is_no_text_is_refused(given):
    with pytest.raises(DataError, match="a text, or several"):
        listed(given)


@pytest.mark.parametrize("columns", [{"prompt": [], "label": []}, {"prompt": ["a"]}])
def test_a_table_is_not_its_column_names(columns):
    for table in (pd.DataFrame(columns), columns):
        with pytest.raises(DataError, match=r"(?s)columns \['prompt'.*table\['prompt'\]"):
            listed(table)
    with pytest.raises(DataError, match="no prompts"):
        listed(pd.DataFrame({"prompt": []})["prompt"])


@pytest.mark.parametrize(
    ("given", "said"),
    [({}, "method None"), ([{}], "method None"), ({"method": "unknown"}, "unknown"), (["projection"], "a name stands alone")],
)
def test_what_is_no_edit_is_refused(given, said):
    with pytest.raises(EditError, match=said):
        spelled_out(given)


def test_one_edit_is_a_stack_of_one():
    own = {"method": "projection", "strength": 1.0, "sign": 1}
    assert spelled_out(own) == spelled_out([own]) == [own] and spelled_out([]) == []


def test_a_file_is_no_study_and_the_folder_around_it_is_named(tmp_path):
    results = tmp_path / "results"
    (results / "provenance" / "jobs").mkdir(parents=True)
    (results / "report.html").touch()
    with pytest.raises(StoreError, match=f"(?s)a file.*a study, which is the folder.*give {results}"):
        anatomy.open_study(results / "report.html")
    (results / "empty.csv").touch()
    with pytest.raises(DataError, match="empty"):
        anatomy.open_study(results).table("empty")
