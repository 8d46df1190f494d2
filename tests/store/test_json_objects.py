"""JSON objects are read as the type that says which fields they have, or the error names the file and the field."""

from typing import NotRequired, TypedDict

import pytest

from anatomy.errors import ModelError, StoreError
from anatomy.store.json_objects import checked_fields, checked_list


class Row(TypedDict):
    name: str
    size: int
    note: NotRequired[str]


WHOLE = {"name": "a", "size": 1}


def test_an_object_with_the_fields_of_its_type_is_read_as_it_is():
    assert checked_fields(Row, WHOLE, "a row", "rows.json") == WHOLE
    assert checked_fields(Row, WHOLE | {"note": "b"}, "a row", "rows.json") == WHOLE | {"note": "b"}
    assert checked_list(Row, [WHOLE, WHOLE], "a row", "rows.json") == [WHOLE, WHOLE]
    assert checked_list(Row, [], "a row", "rows.json") == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"name": "a"}, "a row with no size"),
        (WHOLE | {"sise": 1}, "a row with an unknown field sise"),
        ({"sise": 1, "name": "a"}, "a row with no size, an unknown field sise"),
        ([WHOLE], "a row with no name, no size"),
        (None, "a row with no name, no size"),
    ],
)
def test_a_missing_or_unknown_field_is_an_error_that_names_the_file(values, found):
    with pytest.raises(StoreError) as told:
        checked_fields(Row, values, "a row", "results/rows.json")
    assert told.value.found == found and told.value.where == "results/rows.json" and "name, size, note" in told.value.expected


def test_a_list_is_checked_row_by_row_and_the_error_is_of_the_class_asked_for():
    with pytest.raises(ModelError, match="no size"):
        checked_list(Row, [WHOLE, {"name": "b"}], "a row", "rows.json", ModelError)
    with pytest.raises(StoreError, match="a list, and in it a row an entry"):
        checked_list(Row, WHOLE, "a row", "rows.json")


def test_an_object_is_expected_where_no_field_is_required():
    class Open(TypedDict):
        note: NotRequired[str]

    with pytest.raises(StoreError, match="a list"):
        checked_fields(Open, [], "a row", "rows.json")
