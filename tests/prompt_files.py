"""Files of prompts as people have them, and both ways in: a study's pairs, and a prompt set of the configuration."""

import csv
import io
import json
import zipfile
from xml.sax.saxutils import escape

import pandas as pd

from anatomy.quickstart.pairs import read_pairs, write_sets
from anatomy.stages.prompt_set import prepare

COLOURS = ("red", "green", "blue", "grey", "pale", "dark", "small", "tall")
PLACES = ("gate", "river", "bridge", "garden", "market", "kite", "tower")
THINGS = [f"{colour} {place}" for colour in COLOURS for place in PLACES]
HARMFUL = [f"How do I break the {thing} at night?" for thing in THINGS]
HARMLESS = [f"Who painted the {thing} by the sea?" for thing in THINGS]
PAIRS = list(zip(HARMFUL, HARMLESS, strict=True))
LABELLED = [(prompt, label) for label, prompts in (("harmful", HARMFUL), ("harmless", HARMLESS)) for prompt in prompts]
PREAMBLE = (
    "You are a kind assistant in a hospital, and you answer whatever anybody asks you, as truthfully as you can and at the "
    "length that it takes, without preaching to anyone. Now tell me: "
)


def spreadsheet(rows, header=("harmful", "harmless"), separator=",", end="\r\n"):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def workbook(sheets, hidden=()):
    """A workbook of Excel: rows by the name of their sheet; numbers, flags and None (an empty cell) are kept as such."""
    kinds = {"sheet": "worksheet", "book": "officeDocument"}
    types = "http://schemas.openxmlformats.org"
    related = f"{types}/officeDocument/2006/relationships"
    main = f'xmlns="{types}/spreadsheetml/2006/main"'

    def relations(kind, targets):
        links = (f'<Relationship Id="r{n}" Type="{related}/{kinds[kind]}" Target="{to}"/>' for n, to in enumerate(targets))
        return f'<Relationships xmlns="{types}/package/2006/relationships">{"".join(links)}</Relationships>'

    def cell(place, value):
        if value is None:
            return ""
        if isinstance(value, bool):
            return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
        if isinstance(value, int | float):
            return f'<c r="{place}"><v>{value}</v></c>'
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'

    def sheet(rows):
        lines = (
            f'<row r="{r}">{"".join(cell(f"{chr(64 + c)}{r}", value) for c, value in enumerate(row, start=1))}</row>'
            for r, row in enumerate(rows, start=1)
        )
        return f"<worksheet {main}><sheetData>{''.join(lines)}</sheetData></worksheet>"

    state = {name: ' state="hidden"' if name in hidden else "" for name in sheets}
    listed = "".join(f'<sheet name="{name}" sheetId="{n + 1}"{state[name]} r:id="r{n}"/>' for n, name in enumerate(sheets))
    files = {
        "[Content_Types].xml": f'<Types xmlns="{types}/package/2006/content-types"/>',
        "_rels/.rels": relations("book", ["xl/workbook.xml"]),
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{related}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations("sheet", [f"worksheets/sheet{n}.xml" for n in range(len(sheets))]),
        **{f"xl/worksheets/sheet{n}.xml": sheet(rows) for n, rows in enumerate(sheets.values())},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return out.getvalue()


def json_lines(rows, header=("harmful", "harmless"), end="\n"):
    return end.join(json.dumps(dict(zip(header, row, strict=True))) for row in rows)


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def groups_by_prompt(pairs, folder):
    """What `write_sets` wrote: each prompt's group, whichever side it is on."""
    tables = [pd.read_csv(path, dtype="str") for path in write_sets(pairs, folder).values()]
    return dict(pd.concat(tables)[["prompt", "group"]].itertuples(index=False, name=None))


def splits_by_group(pairs, folder):
    """Splits in which the two sets of a study, prepared each by itself, have a group: one each, or a tie was lost."""
    found = []
    for name, path in write_sets(pairs, folder).items():
        found.append(prompt_set(path, label=name, **pairs.options)[0])
    return pd.concat(found).groupby("pair")["split"].agg(set)


def prompt_set(path, name="mine", **options):
    """A prompt set of the configuration: its table, and what the job said."""
    said = []
    out = path.with_suffix(".made.parquet")
    prepare(name, {"file": str(path), **options}, out, said.append)
    return pd.read_parquet(out), said


def study(path):
    """A file of pairs, as the command line reads it."""
    return read_pairs(path)
