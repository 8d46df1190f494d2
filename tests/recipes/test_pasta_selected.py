"""What PASTA's passes leave for each other is read whole, or the error names the file and the field."""

import json

import pytest

from anatomy.errors import StoreError
from anatomy.recipes.pasta.edits import ablation
from anatomy.recipes.pasta.options import Pasta
from anatomy.recipes.pasta.selected import read_selected, read_signature_card

SELECTED = {
    "layer": 2,
    "layers": {"ngram": 2},
    "depth": 4,
    "contrasts": ["same_text"],
    "domain_order": ["essays"],
    "domains": {"essays": 1},
    "operating": ablation(Pasta(), 2),
    "reason": "fewest style markers within the limits",
}
CARD = {
    "models": {"aligned": "ab"},
    "layers": 4,
    "contrasts": {},
    "domains": [],
    "texts": {"aligned": 3},
    "empty": {"aligned": 0},
}


@pytest.mark.parametrize(("read", "whole"), [(read_selected, SELECTED), (read_signature_card, CARD)])
def test_a_file_is_read_as_it_was_written_and_refused_with_another_field_or_without_one(read, whole, tmp_path):
    path = tmp_path / "signature.json"
    path.write_text(json.dumps(whole))
    assert read(path) == whole
    for name in whole:
        path.write_text(json.dumps({key: value for key, value in whole.items() if key != name}))
        with pytest.raises(StoreError, match=f"no {name}") as told:
            read(path)
        assert told.value.where == str(path)
    path.write_text(json.dumps(whole | {"depht": 4}))
    with pytest.raises(StoreError, match="unknown field depht"):
        read(path)
