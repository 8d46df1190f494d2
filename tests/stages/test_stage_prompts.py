"""Which prompts a phase works on."""

import pandas as pd
import pytest

from anatomy.config.study import Layout, Subject
from anatomy.errors import DataError
from anatomy.stages.prompts import phase_prompts

MODEL = Subject("mine", "aligned", None, None, ("plain",), False, "float32")


@pytest.fixture
def table(tmp_path):
    def write(count, order=1):
        rows = pd.DataFrame(
            {
                "id": [f"p{n}" for n in range(count)],
                "prompt": [f"text {n}" for n in range(count)],
                "response": None,
                "label": "harmful",
                "category": None,
                "source": None,
                "group": [f"g{n}" for n in range(count)],
                "pair": None,
                "split": "test",
            }
        )[::order]
        path = tmp_path / "prompts" / "set.parquet"
        path.parent.mkdir(exist_ok=True)
        rows.to_parquet(path)
        return Layout(str(tmp_path))

    return write


def chosen(at, limit):
    return list(phase_prompts(at, MODEL, "set", "test", limit)["id"])


def test_a_higher_limit_only_adds_prompts(table):
    at = table(50)
    assert set(chosen(at, 10)) < set(chosen(at, 20)) < set(chosen(at, 50))


def test_the_order_of_the_file_does_not_matter(table):
    assert chosen(table(50), 10) == chosen(table(50, order=-1), 10)


def test_an_empty_phase_is_an_error(table):
    with pytest.raises(DataError, match="no rows with split 'fit'"):
        phase_prompts(table(5), MODEL, "set", "fit", 3)
