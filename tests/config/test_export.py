from pathlib import Path

import pytest

from anatomy.errors import ConfigError
from anatomy.recipes.configuration import check_config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"to": "results"}, "inside results"),
        ({"to": "results/exports"}, "inside results"),
        ({"to": "elsewhere/../results/x"}, "inside results"),
        ({"to": "x", "tolerance": -0.1}, "export.tolerance"),
        ({"to": "x", "tolerance": 1.1}, "export.tolerance"),
        ({"push": {"hub": "no-organisation"}}, "expected org/name"),
        ({"push": {"hub": "org/{variant}"}}, "expected org/name"),
        ({"push": {"repo": "a/b"}}, "export.push.repo: unknown key"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        check_config({"export": values}, "test.yaml")


def test_where_an_export_lies():
    assert check_config({}, "").export.folder("weak.s0", "projection") is None
    found = check_config({"export": {"to": "exports", "push": {"hub": "org/{model}-{family}"}}}, "").export
    assert found.folder("weak.s0", "row_mean@system") == Path("exports/weak.s0-row_mean.system")
