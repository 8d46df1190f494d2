"""A whole study whose every path has characters that a shell, a pattern or a comment begins with: it ends like any other."""

import pytest
import yaml
from own_study import call, make_own_study

ODD = "é [a]*? $HOME & ; (b) 'c\" # % ~ \\"

pytestmark = pytest.mark.workflow


def test_a_study_of_odd_names_ends_in_its_report(tmp_path):
    folder = tmp_path / f"study {ODD}"
    folder.mkdir()
    make_own_study(folder)
    for name in ("model", "guard", "data"):
        (folder / name).rename(folder / f"{name} {ODD}")
    values = yaml.safe_load((folder / "mine.yaml").read_text(encoding="utf-8"))
    for label in ("harmful", "benign"):
        (folder / f"{label}.csv").rename(folder / f"{label} {ODD}.csv")
        values["prompt_sets"][f"{label}_requests"]["file"] = f"{label} {ODD}.csv"
    values["models"]["mine"]["folder"] = str(folder / f"model {ODD}")
    values["model_judges"]["guard"]["folder"] = f"guard {ODD}"
    values["benchmarks"]["data"] = f"data {ODD}"
    values["results"] = f"results {ODD}"
    (folder / "mine.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    call(folder, check=True)
    assert (folder / f"results {ODD}" / "report.html").is_file()
