"""What is remembered of a module is what parsing it says, and a file that is damaged or cannot be written changes no digest."""

import json
import os

import pytest

from anatomy.store.parsed_modules import MOST, ParsedModules, parse

SOURCE = '"""Doc."""\nfrom . import near\nimport os\n\n\ndef scale(x):\n    return 2 * x  # twice\n'


def test_it_is_what_parsing_says_in_this_process_and_the_next(tmp_path, monkeypatch):
    first = ParsedModules(tmp_path)
    assert first.of(SOURCE, "anatomy.a.b") == parse(SOURCE, "anatomy.a.b")
    assert first.of(SOURCE, "anatomy.c.b") == parse(SOURCE, "anatomy.c.b") != first.of(SOURCE, "anatomy.a.b"), (
        "imports are relative"
    )
    first.keep()
    monkeypatch.setattr("anatomy.store.parsed_modules.parse", lambda *_: pytest.fail("parsed again"))
    assert ParsedModules(tmp_path).of(SOURCE, "anatomy.a.b") == first.of(SOURCE, "anatomy.a.b")


def test_a_changed_source_is_parsed_again(tmp_path):
    first = ParsedModules(tmp_path)
    before = first.of(SOURCE, "m")
    first.keep()
    again = ParsedModules(tmp_path)
    assert again.of(SOURCE.replace("2", "3"), "m") != before and again.of(SOURCE + "# more\n", "m") == before


@pytest.mark.parametrize("damage", ["", "{", "[1]", "null", '{"a": 1}', '{"a": ["x"]}', "\x00"])
def test_a_damaged_file_costs_time_alone_and_is_mended(tmp_path, damage):
    first = ParsedModules(tmp_path)
    first.path.write_text(damage)
    assert first.of(SOURCE, "m") == parse(SOURCE, "m")
    first.keep()
    assert len(json.loads(first.path.read_text())) == 1


def test_where_nothing_can_be_written_nothing_is(tmp_path):
    nowhere = ParsedModules(tmp_path / "absent")
    assert nowhere.of(SOURCE, "m") == parse(SOURCE, "m")
    nowhere.keep()
    assert not os.listdir(tmp_path)


def test_two_processes_keep_what_both_found_and_old_entries_go(tmp_path):
    one, other = ParsedModules(tmp_path), ParsedModules(tmp_path)
    one.of(SOURCE, "one"), other.of(SOURCE, "other")
    one.keep(), other.keep()
    assert len(json.loads(one.path.read_text())) == 2 and len(os.listdir(tmp_path)) == 1
    full = ParsedModules(tmp_path)
    full.path.write_text(json.dumps({str(n): ["x", []] for n in range(MOST)}))
    full.of(SOURCE, "m"), full.keep()
    assert len(json.loads(full.path.read_text())) == 1
