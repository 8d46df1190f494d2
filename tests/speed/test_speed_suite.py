"""The benchmark suite runs and its table says what it found; no time is asserted anywhere."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from speed.comparison import Comparison
from speed.rows import ROWS
from speed.setting import Setting
from speed.skipped import Skipped
from speed.table import render

SUITE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    return Setting(tmp_path_factory.mktemp("speed"), size="tiny", repeats=1, quick=True, mmlu=None)


def test_every_row_is_a_module_and_every_module_a_row():
    assert sorted(ROWS) == sorted(path.stem for path in (SUITE / "rows").glob("*.py") if path.stem != "__init__")
    assert all(callable(import_module(f"speed.rows.{row}").measure) for row in ROWS)


@pytest.mark.parametrize(
    "row", ["training", "extraction", "selection_grid", "direction_search", "export", "weight_scores", "patching"]
)
def test_rows_without_an_engine_measure_both_sides(setting, row):
    """Their two sides are also compared in value, inside the row, before they are timed."""
    found = import_module(f"speed.rows.{row}").measure(setting)
    assert found and all(min(*one.ours, *one.baseline) > 0 for one in found)
    assert Comparison(**json.loads(json.dumps(found[0].as_json()))) == found[0]


def test_real_questions_that_are_absent_skip_their_row(setting):
    with pytest.raises(Skipped, match="no real MMLU questions"):
        import_module("speed.rows.mmlu_vllm").measure(setting)


def test_table_has_medians_spread_targets_and_what_is_missing():
    faster = Comparison("sweep", "one by one", 2.0, "at least", [1.0, 2.0, 4.0], [9.0, 8.0, 8.0], "toy", 80, "tokens", "a note")
    larger = Comparison("memory", "a tensor", 2.0, "at most", [3.0 * 2**20], [2.0**20], "toy", unit="bytes")
    records = [
        {"row": "one", "comparisons": [faster.as_json(), larger.as_json()]},
        {"row": "two", "skipped": "no data"},
        {"row": "three", "failed": "died"},
    ]
    fewer = Comparison("search", "all", 0.2, "at most", [1500.0], [9000.0], "toy", unit="tokens passed")
    assert "| search | all | 1,500 tokens | 9,000 tokens | 0.17 | ≤ 0.2 | reached |" in render(
        {}, [{"row": "one", "comparisons": [fewer.as_json()]}]
    )
    text = render({"hardware": "abacus"}, records)
    assert "- hardware: abacus" in text
    assert (
        "| sweep | one by one | 40 tokens/s, 2.0 s (1.0 to 4.0) | 10 tokens/s, 8.0 s (8.0 to 9.0) | "
        "4.00 (2.00 to 9.00) | ≥ 2 | reached | toy | a note |" in text
    )
    assert "| memory | a tensor | 3.00 MiB | 1.00 MiB | 3.00 | ≤ 2 | **missed** | toy |  |" in text
    assert "- two skipped: no data" in text and "- three failed: died" in text


def test_command_refuses_an_unknown_row():
    command = [sys.executable, str(SUITE), "--rows", "extraction,teleport"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no row 'teleport'" in done.stderr


def test_command_takes_up_where_it_stopped_and_measures_failed_rows_again(tmp_path, capsys, monkeypatch):
    from speed import command

    asked = []

    def row_apart(row, _options, _scratch):
        asked.append(row)
        one = Comparison("work", "other work", 1.0, "at least", [1.0], [2.0], "toy")
        died = row == "export" and len(asked) == 2
        return {"row": row, "failed": "died"} if died else {"row": row, "comparisons": [one.as_json()]}

    monkeypatch.setattr(command, "row_apart", row_apart)
    arguments = ["speed", "--quick", "--rows", "extraction,export,hellaswag", "--out", str(tmp_path / "records.json")]
    monkeypatch.setattr(sys, "argv", arguments)
    assert command.main() == 0
    assert asked == ["extraction", "export", "hellaswag"], "a failed row stops no other"
    assert "- export failed: died" in capsys.readouterr().out
    assert command.main() == 0
    assert asked[3:] == ["export"]
    assert capsys.readouterr().out.count("| work |") == 3
    monkeypatch.setattr(sys, "argv", [*arguments, "--repeats", "7"])
    with pytest.raises(SystemExit, match="give another --out"):
        command.main()
