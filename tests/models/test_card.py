"""A card is read whole or not at all: another version's would give a KeyError hours later, or a field that nobody reads."""

import pytest
from small_study import make_card

from anatomy.errors import ModelError
from anatomy.models.card import ModelCard, checked_card


def test_a_whole_card_is_read_as_it_is(tiny_folder):
    card = make_card(tiny_folder)
    assert checked_card(card, "card.json") == card


@pytest.mark.parametrize("field", ModelCard.__annotations__)
def test_a_card_without_a_field_is_refused(tiny_folder, field):
    card = {name: value for name, value in make_card(tiny_folder).items() if name != field}
    with pytest.raises(ModelError, match=f"no {field}") as caught:
        checked_card(card, "results/models/mine.json")
    assert caught.value.where == "results/models/mine.json" and "the stage that writes it" in caught.value.remedy


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"layers": 4}, "unknown field layers"),
        ([], "no id"),
        (None, "no id"),
    ],
)
def test_what_is_no_card_is_refused(tiny_folder, values, found):
    with pytest.raises(ModelError, match=found):
        checked_card({**make_card(tiny_folder), **values} if values else values, "card.json")
