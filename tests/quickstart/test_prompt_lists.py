"""Two lists of prompts, one a line: the two sides, or the sentence that says what to give."""

import pytest
from prompt_files import HARMFUL, HARMLESS, PAIRS, spreadsheet, write

from anatomy.errors import DataError
from anatomy.quickstart.pairs import read_pairs


def test_two_lists_of_prompts_are_the_two_sides(tmp_path):
    lists = [
        write(tmp_path / f"{name}.txt", "\r\n".join(prompts)) for name, prompts in (("bad", HARMFUL), ("good", HARMLESS[:-3]))
    ]
    pairs = read_pairs(lists)
    assert [prompt for _, prompt in pairs.harmful] == HARMFUL and [prompt for _, prompt in pairs.harmless] == HARMLESS[:-3]
    assert not {group for group, _ in pairs.harmful} & {group for group, _ in pairs.harmless}, "lines are no pairs"
    assert f"bad.txt: {len(HARMFUL)} harmful prompts" in pairs.notes


def test_one_list_alone_and_files_that_are_no_lists_are_told_what_to_give(tmp_path):
    alone = write(tmp_path / "bad.txt", "\n".join(HARMFUL))
    table = write(tmp_path / "a.csv", spreadsheet(PAIRS))
    for paths, found in (
        (alone, "one list of prompts"),
        ([alone], "one list"),
        ([alone, table], "a.csv"),
        ([alone] * 3, "bad.txt"),
    ):
        with pytest.raises(DataError, match=rf"(?s){found}.*--pairs harmful\.txt harmless\.txt"):
            read_pairs(paths)
    with pytest.raises(DataError, match="no such file"):
        read_pairs(tmp_path / "missing.txt")
    with pytest.raises(DataError, match=r"(?s)good\.txt, line 3"):
        read_pairs([alone, write(tmp_path / "good.txt", "\n".join([*HARMLESS[:2], HARMFUL[0], *HARMLESS[2:]]))])
