"""lm-eval's data where ``anatomy.serving.benchmarks`` looks for them, read back through the real task definitions."""

from pathlib import Path

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.sources.registry.benchmark_files import adopt, lay_out
from anatomy.sources.registry.location import files_here, local_path

ROWS = [
    {"question": f"Which holds {n} lamps?", "choices": ["gate", "mill", "boat", "cake"], "answer": n % 4, "subject": subject}
    for n in range(6)
    for subject in ("anatomy", "astronomy")
]


@pytest.fixture
def mmlu(make_entry, data):
    """A stand-in for the hub's file of all subjects, fetched."""
    entry = make_entry(
        [{"path": "all/test.parquet", "split": "test", "rows": 12}, {"path": "all/dev.parquet", "split": "dev"}],
        use="benchmark",
        columns={},
        label=None,
        benchmark={"folder": "mmlu", "tasks": ["mmlu"], "evaluated": "test", "by": "subject"},
    )
    path = local_path(data, "mmlu", entry.files[0])
    path.parent.mkdir(parents=True)
    pd.DataFrame(ROWS).to_parquet(path, index=False)
    return entry


@pytest.fixture
def arc(make_entry):
    return make_entry(
        [{"path": "ARC/test.jsonl", "split": "test"}],
        use="benchmark",
        columns={},
        label=None,
        benchmark={"folder": "arc_easy", "tasks": ["arc_easy"], "evaluated": "test"},
    )


def test_subjects_become_files_that_the_tasks_read(mmlu, data, tmp_path):
    from anatomy.serving.benchmarks.tasks import real_tasks

    out = tmp_path / "benchmarks"
    assert [path.name for path in lay_out(data, "mmlu", mmlu, out)] == ["anatomy_test.parquet", "astronomy_test.parquet"]
    tasks = real_tasks(["mmlu"], out)
    assert set(tasks) == {"mmlu_anatomy", "mmlu_astronomy"}
    documents = list(tasks["mmlu_anatomy"].task_docs)
    assert [document["answer"] for document in documents] == [n % 4 for n in range(6)]
    assert documents[0]["choices"] == ["gate", "mill", "boat", "cake"]
    assert lay_out(data, "mmlu", mmlu, out) == [], "a second call finds nothing to do"


def test_a_part_is_looked_for_alone(mmlu, data, tmp_path):
    lay_out(data, "mmlu", mmlu, tmp_path)
    assert len(files_here(mmlu, tmp_path)) == 2 and len(files_here(mmlu, tmp_path, task="mmlu")) == 2
    assert [path.name for path in files_here(mmlu, tmp_path, task="mmlu_anatomy")] == ["anatomy_test.parquet"]
    assert files_here(mmlu, tmp_path, task="mmlu_law") == [] and files_here(mmlu, tmp_path, "dev") == []


def test_a_file_of_ones_own_is_left_alone(arc, data, tmp_path):
    source = local_path(data, "arc", arc.files[0])
    source.parent.mkdir(parents=True)
    source.write_text('{"question": "theirs"}\n')
    own = tmp_path / "arc_easy" / "test.csv"
    own.parent.mkdir()
    own.write_text("question\nmine\n")
    assert lay_out(data, "arc", arc, tmp_path) == [] and [path.name for path in own.parent.iterdir()] == ["test.csv"]
    own.unlink()
    assert lay_out(data, "arc", arc, tmp_path) == [tmp_path / "arc_easy" / "test.jsonl"]


def test_a_wrong_number_of_rows_or_no_subject_is_refused(mmlu, data, tmp_path):
    path = local_path(data, "mmlu", mmlu.files[0])
    pd.DataFrame(ROWS[:5]).to_parquet(path, index=False)
    with pytest.raises(DataError, match="5 rows"):
        lay_out(data, "mmlu", mmlu, tmp_path / "out")
    pd.DataFrame(ROWS).drop(columns="subject").to_parquet(path, index=False)
    with pytest.raises(DataError, match="subject"):
        lay_out(data, "mmlu", mmlu, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_mirrors_own_copies_are_taken_as_they_are(mmlu, data, tmp_path):
    mirror = tmp_path / "mirror" / "mmlu"
    mirror.mkdir(parents=True)
    (mirror / "law_test.csv").write_text("question,A,B,C,D,answer\nq,a,b,c,d,A\n")
    data = data.model_copy(update={"mirror": str(mirror.parent)})
    assert adopt(data, mmlu, tmp_path / "out") == [tmp_path / "out" / "mmlu" / "law_test.csv"]
    assert adopt(data, mmlu, tmp_path / "out") == []


def test_published_files_through_a_mirror(shared_data, tmp_path):
    """MMLU subjects and TruthfulQA as published elsewhere, from the mirror to the items of the real tasks."""
    from anatomy.config.data import Data
    from anatomy.serving.benchmarks.tasks import real_tasks
    from anatomy.sources.registry.catalogue import load_catalogue

    data, catalogue = Data(folder=str(tmp_path / "data"), mirror=str(shared_data), offline=True), load_catalogue()
    for name in ("mmlu", "truthfulqa"):
        assert adopt(data, catalogue[name], tmp_path / "benchmarks")
    tasks = real_tasks(["mmlu_anatomy", "truthfulqa_mc2"], tmp_path / "benchmarks")
    assert len(tasks["mmlu_anatomy"].task_docs) == 135 and len(tasks["truthfulqa_mc2"].task_docs) == 817
    assert not Path(data.folder).exists()
