"""Every reader, given any bytes, gives a value or an error of this package: no other traceback, and no code run."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from edit_kinds import head, pruned
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from anatomy.benchmarks.rows import read_rows
from anatomy.config.load import load_config
from anatomy.continuations.prefixes import read_documents
from anatomy.controller.hold import RunRecord, read_record, record_path, write_record
from anatomy.detectors.score_file import read_score_file
from anatomy.directions.candidates import Directions, load_directions, save_directions
from anatomy.edits.adapter import read_adapter, write_adapter
from anatomy.edits.rosi import build_edit
from anatomy.edits.saved import load_edit, save_edit
from anatomy.errors import AnatomyError, DataError, ModelError
from anatomy.judges.refusal_classifier import RefusalClassifier
from anatomy.models.checkpoint import Checkpoint, read_header
from anatomy.progress.estimate import Durations
from anatomy.prompts.table import read_prompts
from anatomy.provenance.chain import chain, print_chain
from anatomy.provenance.record import JOBS, read_records
from anatomy.quickstart.pairs import read_pairs
from anatomy.registry.benchmark_files import _parted
from anatomy.registry.catalogue import load_catalogue
from anatomy.registry.entry import Benchmark, File
from anatomy.report.published import read_published
from anatomy.store.cell import Cell
from anatomy.store.files import read_json, read_table

ROWS = [{"id": "a", "prompt": "Open the gate", "label": "benign"}, {"id": "b", "prompt": "Mix salt", "label": "harmful"}]
CSV = b"id,prompt,label\na,Open the gate,benign\nb,Mix salt,harmful\n"
FUZZ = settings(max_examples=60, deadline=None, database=None, derandomize=True,
                suppress_health_check=[HealthCheck.function_scoped_fixture])
NASTY = [b"", b"\x00" * 64, b"\xff\xfe\xfd", b"[" * 5000, b'{"a":' * 3000, b"null", b"[]", b"{}", b"[1, 2]", b'"text"', b"1e999",
         b"!!python/object/apply:os.system ['true']", b"a: &a [*a, *a]", b"\x80\x04\x95\x00", b"PAR1PAR1", b'{"a": NaN}']
"""Empty, binary, deep, of another shape, a pickle, a YAML tag that would run code, a Parquet file of nothing."""


@st.composite
def damaged(draw, good: bytes) -> bytes:
    """A good file with bytes changed, cut off, or put in."""
    content = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        kind = draw(st.sampled_from(("flip", "cut", "insert", "repeat")))
        if kind == "flip" and content:
            content[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del content[place : place + draw(st.integers(1, 64))]
        elif kind == "insert":
            content[place:place] = draw(st.binary(max_size=8))
        else:
            content[place:place] = content[place : place + 16]
    return bytes(content)


def contents(good: bytes):
    return st.one_of(st.sampled_from(NASTY), st.binary(max_size=200), damaged(good))


def parquet(rows) -> bytes:
    import io

    buffer = io.BytesIO()
    pd.DataFrame(rows).to_parquet(buffer, index=False)
    return buffer.getvalue()


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
    "documents": ("d.jsonl", b'{"text": "Once.", "author": "a"}\n{"text": "Twice."}\n',
                  lambda path: read_documents(path, "text", "author")),
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


def accepted(read, path) -> bool:
    """Whether the reader took the file; anything it raises must be an error of this package."""
    try:
        read(path)
    except AnatomyError as error:
        assert error.where and error.expected
        return False
    return True


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "model.safetensors.index.json"])
def test_model_folders_with_any_content(file, tiny_folder, tmp_path):
    folder = copied(tiny_folder, tmp_path / "model")
    good = (folder / file).read_bytes()[:4096] if (folder / file).exists() else b'{"weight_map": {"a": "model.safetensors"}}'

    @FUZZ
    @given(contents(good))
    @example(b"\x08\x00\x00\x00\x00\x00\x00\x00[1,2,3] ")
    def any_content(content):
        (folder / file).write_bytes(content)
        accepted(Checkpoint, folder)

    any_content()


def test_a_header_of_another_shape_is_refused(tmp_path):
    for header in (b"[]", b'{"a": 1}', b'{"a": {"dtype": "F32"}}', b'{"a": {"data_offsets": ["x", "y"]}}',
                   b'{"a": {"data_offsets": []}}'):
        path = tmp_path / "w.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(ModelError):
            read_header(path)


def test_an_index_may_not_lead_out_of_the_folder(tiny_folder, tmp_path):
    folder = copied(tiny_folder, tmp_path / "model")
    for shard in ("../outside.safetensors", "/etc/passwd", "sub/../../outside.safetensors"):
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
        with pytest.raises(ModelError, match="the name of a file in the model's folder"):
            Checkpoint(folder)


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors", "card.json"])
def test_edits_with_any_content(file, tiny_folder, tmp_path):
    checkpoint = Checkpoint(tiny_folder)
    direction = torch.nn.functional.normalize(torch.arange(1.0, 65.0), dim=0)
    spec = {"method": "projection", "direction": {"position": -1, "layer": 1, "control": None}, "strength": 0.5}
    write_adapter(build_edit(spec, checkpoint, direction), tmp_path, checkpoint)
    path = next(path for path in tmp_path.iterdir() if path.name.endswith(file))
    good = path.read_bytes()

    @FUZZ
    @given(contents(good))
    def any_content(content):
        path.write_bytes(content)
        accepted(lambda folder: read_adapter(folder, checkpoint), tmp_path)

    any_content()


@pytest.mark.parametrize("file", ["d.safetensors", "d.card.json"])
def test_directions_with_any_content(file, tmp_path):
    save_directions(Directions(torch.ones(1, 2, 4), (-1,), (0, 1)), tmp_path / "d.safetensors", {})
    good = (tmp_path / file).read_bytes()

    @FUZZ
    @given(contents(good))
    def any_content(content):
        (tmp_path / file).write_bytes(content)
        accepted(load_directions, tmp_path / "d.safetensors")

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


def copied(folder, target):
    import shutil

    return shutil.copytree(folder, target)


@pytest.mark.parametrize("file", ["edit.safetensors", "edit.card.json"])
@pytest.mark.parametrize("kind", [pruned, head])
def test_saved_edits_with_any_content(kind, file, tiny_folder, tmp_path):
    checkpoint = Checkpoint(tiny_folder)
    edit = kind(checkpoint)
    save_edit(edit, tmp_path, private=True)
    good = (tmp_path / file).read_bytes()[:8192]

    @FUZZ
    @given(contents(good))
    def any_content(content):
        (tmp_path / file).write_bytes(content)
        accepted(lambda folder: load_edit(folder, checkpoint), tmp_path)

    any_content()


def test_the_record_of_a_run_with_any_content_is_a_run_or_none(tmp_path):
    write_record(tmp_path, RunRecord("a1", "snakemake", "local", str(tmp_path), str(tmp_path)))
    good = record_path(tmp_path).read_bytes()

    @FUZZ
    @given(contents(good))
    @example(good.replace(b'"ended": false', b'"ended": 3'))
    @example(b'{"id": 1, "command": [], "executor": null, "workdir": 0, "results": 0, "started": 1e300}')
    def any_content(content):
        record_path(tmp_path).write_bytes(content)
        run = read_record(tmp_path)
        assert run is None or (run.describe() and run.pid > 0)

    any_content()


def test_durations_of_any_content_serve_or_are_forgotten(tmp_path):
    @FUZZ
    @given(contents(b'{"extract": [1.0, 2.5]}'))
    def any_content(content):
        (tmp_path / "d.json").write_bytes(content)
        Durations.read(tmp_path / "d.json").expected("extract")

    any_content()


RECORD = {"rule": "figures", "wildcards": {"model": "m"}, "outputs": {"a.csv": "0" * 64}, "inputs": {"b.csv": "1" * 64},
          "parameters": {"code": "0" * 16}, "seeds": {"s": 1}, "software": {"torch": "2"}, "hardware": {"cores": 2}, "threads": 1,
          "cost": {"started": "", "seconds": 1.0, "peak_mb": 2.0, "rows": 0, "tokens": 0, "starts": 0}}


def test_records_of_provenance_with_any_content(tmp_path, capsys):
    path = tmp_path / JOBS / "figures.json"
    path.parent.mkdir(parents=True)
    good = json.dumps(RECORD).encode()

    def show(results):
        read_records(results)
        print_chain(chain(results, "a.csv"))

    @FUZZ
    @given(contents(good))
    @example(good)
    def any_content(content):
        path.write_bytes(content)
        accepted(show, tmp_path)

    any_content()


@pytest.mark.parametrize("name", ["../outside", "/etc", "a/b", "..", ""])
def test_names_in_a_registry_stay_inside(name):
    for section, options in ((File, {"path": "a.csv", "split": name}), (File, {"path": f"../{name}"}),
                             (Benchmark, {"folder": name, "tasks": ["t"], "evaluated": "test"}),
                             (Benchmark, {"folder": "a", "tasks": ["t"], "evaluated": name})):
        with pytest.raises(ValueError, match=r"string|path"):
            section.model_validate(options)


@pytest.mark.parametrize("subject", ["../outside", "/tmp/outside", "a/b", None])
def test_values_of_published_data_name_no_file_outside(subject, tmp_path):
    source = tmp_path / "all.parquet"
    source.write_bytes(parquet([{"question": "q", "subject": subject}, {"question": "r", "subject": "anatomy"}]))
    with pytest.raises(DataError, match="names of letters"):
        _parted(source, File(path="all.parquet", split="test"), "subject", tmp_path / "mmlu")
    assert [path.name for path in tmp_path.iterdir()] in (["all.parquet"], ["all.parquet", "mmlu"], ["mmlu", "all.parquet"])


def test_an_id_of_a_prompt_is_text_and_never_a_path(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("id,prompt\n../../outside,Open the gate\n/etc/passwd,Mix salt\n")
    assert list(read_prompts(path)["id"]) == ["../../outside", "/etc/passwd"]
    cell = Cell(tmp_path / "store", "generate", {"model": "../../m"})
    kept = cell.append(pd.DataFrame({"item": ["../../outside"], "response": ["x"]}))
    assert kept.resolve().is_relative_to((tmp_path / "store").resolve())
