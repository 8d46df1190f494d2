"""Prompt files of any making: whatever a program or an accident does to one, its rows and ties come through, or an error does."""

import json

import pandas as pd
import pytest
from fuzz import FUZZ, accepted, contents, parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_files import LABELLED, PAIRS, groups_by_prompt, json_lines, prompt_set, spreadsheet, write

from anatomy.errors import AnatomyError
from anatomy.quickstart.pairs import read_pairs
from anatomy.sources.prompts.formats import read_rows

SLOWER = settings(FUZZ, max_examples=40)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")
NAMES = st.one_of(
    st.none(),
    st.integers(-2, 3),
    st.sampled_from(["", " ", "0", "a", "a ", "nan", 0.0, 1.0, True]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=3),
)


def tied(value):
    """The name of a pair as somebody who reads the file would understand it; None for none."""
    text = "" if value is None else str(int(value) if isinstance(value, float) else value).strip()
    return None if text.casefold() in ("", "nan", "none", "null", "nat", "<na>") else text


@SLOWER
@given(st.data())
def test_a_spreadsheet_in_any_dress_keeps_its_prompts_and_pairs(tmp_path, data):
    rows, header = [list(row) for row in PAIRS], ["harmful", "harmless"]
    for number in data.draw(st.lists(st.integers(0, 55), max_size=4)):
        rows[number][0] += data.draw(st.sampled_from(['\n"two"', "; one, two\t", " “quoted”", "\r\nthird | line"]))
    if data.draw(st.booleans()):
        rows, header = [[n, *row] for n, row in enumerate(rows)], [data.draw(st.sampled_from(["", "index"])), *header]
    if data.draw(st.booleans()):
        rows, header = [row[::-1] for row in rows], header[::-1]
    header = [data.draw(st.sampled_from([name, name.upper(), f" {name.title()} "])) for name in header]
    prompts = [row for row in rows]
    for place in data.draw(st.lists(st.integers(0, 56), max_size=4)):
        rows = [*rows[:place], [""] * len(header), *rows[place:]]
    separator = data.draw(st.sampled_from(",;\t|"))
    announced = data.draw(st.sampled_from(["", f"sep={separator}\r\n"]))
    text = announced + spreadsheet(rows, header, separator, data.draw(st.sampled_from(["\n", "\r\n"])))
    path = write(tmp_path / f"a.{data.draw(st.sampled_from(['csv', 'tsv']))}", text.encode(data.draw(st.sampled_from(ENCODINGS))))
    pairs = read_pairs(path)
    column = [name.strip().lower() for name in header].index
    assert [prompt for _, prompt in pairs.harmful] == [row[column("harmful")] for row in prompts]
    assert [prompt for _, prompt in pairs.harmless] == [row[column("harmless")] for row in prompts]
    assert [group for group, _ in pairs.harmful] == [group for group, _ in pairs.harmless]


@SLOWER
@given(st.data())
def test_names_of_pairs_of_any_kind_tie_all_that_bear_them(tmp_path, data):
    # Half of the pairs keep a name of their own: otherwise a few groups would hold everything.
    odd = {n: data.draw(NAMES) for n in data.draw(st.lists(st.integers(0, 111), max_size=24, unique=True))}
    rows = [(prompt, label, odd.get(n, f"own {n % 56}")) for n, (prompt, label) in enumerate(LABELLED)]
    kind = data.draw(st.sampled_from(["jsonl", "json", "csv"]))
    header = ("prompt", "label", data.draw(st.sampled_from(["pair", "Pair"])))
    text = {
        "jsonl": lambda: json_lines(rows, header),
        "json": lambda: json.dumps([dict(zip(header, row, strict=True)) for row in rows]),
        "csv": lambda: spreadsheet(rows, header),
    }[kind]()
    pairs = read_pairs(write(tmp_path / f"a.{kind}", text))
    group = groups_by_prompt(pairs, tmp_path)
    names = {}
    for prompt, _, value in rows:
        if (name := tied(value)) is not None:
            names.setdefault(name, set()).add(group[prompt])
    assert len(group) == 112 and all(len(found) == 1 for found in names.values())
    untied = [prompt for prompt, _, value in rows if tied(value) is None]
    assert len({group[prompt] for prompt in untied}) == len(untied)


@SLOWER
@given(
    st.lists(st.tuples(st.integers(0, 55), st.integers(0, 55)), max_size=30),
    st.sampled_from([str.upper, str.title, "{}  ".format]),
)
def test_repeated_prompts_lose_no_tie(tmp_path, reused, written):
    rows = [list(row) for row in PAIRS]
    for one, other in reused:
        rows[one][1] = written(PAIRS[other][1])
    try:
        pairs = read_pairs(write(tmp_path / "a.csv", spreadsheet(rows)))
    except AnatomyError as error:
        assert "harmless prompts" in error.found or "split" in error.found
        return
    group = {" ".join(prompt.casefold().split()): name for prompt, name in groups_by_prompt(pairs, tmp_path).items()}
    for harmful, harmless in rows:
        assert group[" ".join(harmful.casefold().split())] == group[" ".join(harmless.casefold().split())]


DAMAGED = {
    "a.csv": spreadsheet(PAIRS[:45], end="\n").encode(),
    "a.tsv": spreadsheet(PAIRS[:45], separator="\t").encode("utf-16"),
    "b.csv": spreadsheet(LABELLED, ("prompt", "label")).encode(),
    "a.jsonl": json_lines(PAIRS[:45]).encode(),
    "a.json": json.dumps([{"harmful": a, "harmless": b, "pair": n} for n, (a, b) in enumerate(PAIRS[:45])]).encode(),
    "a.parquet": parquet(pd.DataFrame(PAIRS[:45], columns=["harmful", "harmless"])),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_gives_pairs_or_an_error_and_loses_no_line(tmp_path, name):
    path = tmp_path / name

    @SLOWER
    @given(contents(DAMAGED[name]))
    def any_damage(content):
        path.write_bytes(content)
        if (
            accepted(read_pairs, path)
            and name.endswith(("csv", "jsonl"))
            and b'""' not in content
            and content.count(b'"') % 2 == 0
        ):
            lines = [line for line in content.replace(b"\r", b"\n").split(b"\n") if line.strip(b" ,;\t|\xef\xbb\xbf")]
            quoted = name == "a.csv" and b'"' in content
            assert quoted or len(read_rows(path)) == len(lines) - (name != "a.jsonl")

    any_damage()


REAL = {
    "refusal_direction/harmful_val.json": {"columns": {"instruction": "prompt"}, "derive_ids": True, "label": "harmful"},
    "jailbreakbench/harmful_behaviors.csv": {"columns": {"Goal": "prompt"}, "derive_ids": True, "label": "harmful"},
}


@pytest.mark.parametrize("name", REAL)
def test_damaged_published_files_give_a_prompt_set_or_an_error(tmp_path, shared_data, name):
    good = (shared_data / name).read_bytes()
    path = tmp_path / name.rpartition("/")[2]

    @settings(SLOWER, max_examples=20)
    @given(contents(good))
    def any_damage(content):
        path.write_bytes(content)
        if accepted(lambda one: prompt_set(one, **REAL[name], minimum=1), path):
            table, said = prompt_set(path, **REAL[name], minimum=1)
            repeated = sum(int(text.split(": ")[1].split()[0]) for text in said if "stand in an earlier row" in text)
            assert len(table) + repeated == len(read_rows(path))

    any_damage()
