"""Lines that change how the next message is asked."""

import pytest

from anatomy.chat.__main__ import main
from anatomy.chat.settings import Settings, changed
from anatomy.errors import ConfigError
from anatomy.store.writable import require_file

START = Settings(None, 1.0, 0, 0.0, 32)


def test_each_line_changes_one_thing():
    for line, name, value in (
        ("/system Be kind.", "system", "Be kind."),
        ("/strength 0.5", "strength", 0.5),
        ("/seed 7", "seed", 7),
        ("/temperature 0.8", "temperature", 0.8),
        ("/tokens 64", "tokens", 64),
    ):
        found = changed(START, line)
        assert vars(found) == {**vars(START), name: value}
    assert changed(changed(START, "/system x"), "/system").system is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/strenght 2", "/strenght"),
        ("/strength", "a number of at least 0"),
        ("/strength -1", "a number of at least 0"),
        ("/strength nan", "a number"),
        ("/strength 0", "above 0"),
        ("/seed 1.5", "a whole number from 0"),
        ("/seed 99999999999999999999", "to 9223372036854775807"),
        ("/tokens 0", "a whole number from 1"),
        ("/temperature -1", "a number of at least 0"),
    ],
)
def test_what_is_no_setting_is_refused_and_nothing_changes(line, words):
    with pytest.raises(ConfigError, match=words):
        changed(START, line)


def test_a_seed_keeps_all_its_digits():
    assert changed(START, "/seed 9007199254740993").seed == 9007199254740993


def test_a_history_that_cannot_be_written_is_refused_before_anything_is_asked(tmp_path):
    require_file(tmp_path / "new" / "history.jsonl", "--history")
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "history.jsonl"):
        with pytest.raises(ConfigError, match="--history"):
            require_file(path, "--history")


def test_an_edit_without_strength_takes_none():
    with pytest.raises(ConfigError, match="an edit without strength"):
        changed(Settings(None, None, 0, 0.0, 32), "/strength 2")


def test_two_edits_are_refused_where_the_last_would_have_won(capsys):
    with pytest.raises(SystemExit):
        main(["--configfile", "nothing.yaml", "--edit", "projection", "--edit", "row_mean"])
    assert "one edit at a time" in capsys.readouterr().err
