"""Names that come from data never lead out of a folder."""

import pandas as pd
import pytest
from fuzz import parquet

from anatomy.errors import DataError
from anatomy.sources.prompts.table import read_prompts
from anatomy.sources.registry.benchmark_files import _parted
from anatomy.sources.registry.entry import Benchmark, File
from anatomy.store.cell import Cell


@pytest.mark.parametrize("name", ["../outside", "/etc", "a/b", "..", ""])
def test_names_in_a_registry_stay_inside(name):
    for section, options in (
        (File, {"path": "a.csv", "split": name}),
        (File, {"path": f"../{name}"}),
        (Benchmark, {"folder": name, "tasks": ["t"], "evaluated": "test"}),
        (Benchmark, {"folder": "a", "tasks": ["t"], "evaluated": name}),
    ):
        with pytest.raises(ValueError, match=r"string|path"):
            section.model_validate(options)


@pytest.mark.parametrize("subject", ["../outside", "/tmp/outside", "a/b", None])
def test_values_of_published_data_name_no_file_outside(subject, tmp_path):
    source = tmp_path / "all.parquet"
    source.write_bytes(parquet([{"question": "q", "subject": subject}, {"question": "r", "subject": "anatomy"}]))
    with pytest.raises(DataError, match="names of letters"):
        _parted(source, File(path="all.parquet", split="test"), "subject", tmp_path / "mmlu")
    assert [path.name for path in tmp_path.iterdir()] in (["all.parquet"], ["all.parquet", "mmlu"], ["mmlu", "all.parquet"])


def test_an_id_of_a_prompt_is_text_and_never_a_path(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("id,prompt\n../../outside,Open the gate\n/etc/passwd,Mix salt\n")
    assert list(read_prompts(path)["id"]) == ["../../outside", "/etc/passwd"]
    cell = Cell(tmp_path / "store", "generate", {"model": "../../m"})
    kept = cell.append(pd.DataFrame({"item": ["../../outside"], "response": ["x"]}))
    assert kept.resolve().is_relative_to((tmp_path / "store").resolve())
