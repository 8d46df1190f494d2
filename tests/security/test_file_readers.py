"""Every reader of a file, given any bytes, gives a value or an error of this package: no other traceback, and no code run."""

import json

import numpy as np
import pandas as pd
import pytest
from fuzz import FUZZ, NASTY, accepted, contents, parquet
from hypothesis import given

from anatomy.evidence.report.published import read_published
from anatomy.quickstart.pairs import read_pairs
from anatomy.recipes.configuration import load_config
from anatomy.sources.benchmark_rows import read_rows
from anatomy.sources.prompts.table import read_prompts
from anatomy.sources.registry.catalogue import load_catalogue
from anatomy.store.cell import Cell
from anatomy.store.files import read_json, read_table
from anatomy.texts.continuations.prefixes import read_documents
from anatomy.texts.detectors.score_file import read_score_file
from anatomy.texts.judges.refusal_classifier import RefusalClassifier

ROWS = [{"id": "a", "prompt": "Open the gate", "label": "benign"}, {"id": "b", "prompt": "Mix salt", "label": "harmful"}]
CSV = b"id,prompt,label\na,Open the gate,benign\nb,Mix salt,harmful\n"
READERS = {
    "configuration": ("c.yaml", b"seeds: [0]\nrosi: {shortlist: 2}\n", load_config),
    "registry": ("sets.yaml", b"mine: {title: t}\n", load_catalogue),
    "prompts as CSV": ("p.csv", CSV, read_prompts),
    "prompts as TSV": ("p.tsv", CSV.replace(b",", b"\t"), read_prompts),
    "prompts as JSONL": ("p.jsonl", b"\n".join(json.dumps(row).encode() for row in ROWS), read_prompts),
    "prompts as JSON": ("p.json", json.dumps(ROWS).encode(), read_prompts),
    "prompts as Parquet": ("p.parquet", parquet(ROWS), read_prompts),
    "pairs": ("pairs.csv", b"harmful,harmless\na,b\nc,d\n", read_pairs),
    "benchmark as CSV": ("b.csv", b"question,A,B,C,D,answer\nq,a,b,c,d,A\n", read_rows),
    "benchmark as JSONL": ("b.jsonl", json.dumps(ROWS[0]).encode(), read_rows),
    "benchmark as JSON": ("b.json", json.dumps(ROWS).encode(), read_rows),
    "benchmark as Parquet": ("b.parquet", parquet(ROWS), read_rows),
    "scores of a detector": ("s.csv", b"digest,score\nabc,0.5\ndef,\n", lambda path: read_score_file(path, "closed")),
    "documents": (
        "d.jsonl",
        b'{"text": "Once.", "author": "a"}\n{"text": "Twice."}\n',
        lambda path: read_documents(path, "text", "author"),
    ),
    "published numbers": ("n.csv", b"table,model,source,arm,value\n1,m,s,base,3.5\n", read_published),
    "a JSON file of results": ("r.json", b'{"a": 1}', read_json),
    "a table of results": ("r.parquet", parquet(ROWS), read_table),
}


@pytest.mark.parametrize("name", READERS)
def test_files_with_any_content(name, tmp_path):
    file, good, read = READERS[name]
    path = tmp_path / file

    @FUZZ
    @given(contents(good))
    def any_content(content):
        path.write_bytes(content)
        accepted(read, path)

    for content in NASTY:
        path.write_bytes(content)
        accepted(read, path)
    any_content()


@pytest.mark.parametrize("file", ["classifier.json", "classifier.npz"])
def test_classifiers_with_any_content(file, tmp_path):
    RefusalClassifier((("a",), ("b",)), np.ones(2), np.ones((1, 2)), np.zeros(1), ("full", "none"), 1.0).save(tmp_path)
    good = (tmp_path / file).read_bytes()

    @FUZZ
    @given(contents(good))
    def any_content(content):
        (tmp_path / file).write_bytes(content)
        accepted(RefusalClassifier.load, tmp_path)

    any_content()


def test_a_shard_of_any_content_is_never_read_as_rows(tmp_path):
    cell = Cell(tmp_path, "generate", {"model": "m"})
    kept = cell.append(pd.DataFrame({"item": ["a", "b"], "response": ["x", "y"]}))
    good = kept.read_bytes()

    @FUZZ
    @given(contents(good))
    def any_content(content):
        kept.write_bytes(content)
        assert content == good or cell.read().empty
        kept.with_suffix(".damaged").unlink(missing_ok=True)

    any_content()
