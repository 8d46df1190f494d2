"""Files of prompts as people have them, and both ways in: a study's pairs, and a prompt set of the configuration."""

import csv
import io
import json

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
