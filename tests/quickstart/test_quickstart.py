"""From a model folder and a file of pairs to a study, or to the first thing that would have failed later."""

import csv
import re
import shutil
from pathlib import Path

import pytest
import yaml
from examined_models import state
from quick_run import ROOT
from real_models import SMOLLM2, real_folder, real_gguf
from tiny_gguf import tiny_model, vocabulary, write_gguf
from tiny_model import make_tiny_model

from anatomy.errors import DataError
from anatomy.quickstart.__main__ import main
from anatomy.quickstart.model import folder_of
from anatomy.quickstart.pairs import read_pairs, write_sets
from anatomy.quickstart.place import MARK
from anatomy.recipes.configuration import load_config
from anatomy.runs.provenance.chain import chain, raw_inputs
from anatomy.runs.provenance.record import read_records

THINGS = [
    f"{colour} {thing}"
    for colour in ("red", "green", "blue", "grey", "pale", "dark", "small", "tall")
    for thing in ("gate", "river", "bridge", "garden", "market", "kite", "tower")
]


def write_pairs(path):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["harmful", "harmless"])
        writer.writerows((f"How do I break the {thing} at night?", f"Who painted the {thing} by the sea?") for thing in THINGS)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def call(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    pairs = write_pairs(tmp_path / "pairs.csv")

    def run(*more, name="mine", pairs=pairs, source=str(model)):
        return main(["--name", name, "--model", source, "--pairs", str(pairs), "--dtype", "float32", "--directory", ".", *more])

    return run


def test_it_writes_a_configuration_that_checks_and_says_what_will_run(call, tmp_path, capsys):
    assert call("--effort", "standard") == 0
    config = load_config(tmp_path / "config" / "mine.yaml")
    assert list(config.models) == ["mine"] and config.rosi.headline == config.selection.headline == ["mine"]
    said = capsys.readouterr().out
    for stage in ("extract", "answers", "localize", "screen", "select", "test", "measure", "project", "all"):
        (row,) = [line.split() for line in said.splitlines() if line.startswith(f"  {stage} ")]
        read, written, hours = (float(cell.replace(",", "")) for cell in row[1:4])
        assert read > 0 and written >= 0 and hours >= 0 and "." in row[3]
    assert "hours if the model never refuses" in said and "measured just now, in float32" in said
    assert "--configfile config/mine.yaml" in said and "results/mine/report.html" in said


def test_both_sides_of_a_pair_fall_into_one_split(tmp_path):
    sets = write_sets(read_pairs(write_pairs(tmp_path / "pairs.csv")), tmp_path)
    groups = [[row["group"] for row in csv.DictReader(path.open(encoding="utf-8"))] for path in sets.values()]
    assert groups[0] == groups[1] and len(set(groups[0])) == len(THINGS)


def test_prompts_with_labels_are_read_too(tmp_path):
    path = tmp_path / "labelled.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "label"])
        writer.writerows(
            (f"Question {number} about the {thing} for a {label} reader?", label)
            for number, thing in enumerate(THINGS)
            for label in ("harmful", "benign")
        )
    pairs = read_pairs(path)
    assert len(pairs.harmful) == len(pairs.harmless) == len(THINGS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("question,answer\na,b\n", "harmful and harmless"),
        ("harmful,harmless\na,\nb,c\n", "no text in column 'harmless'"),
        ("prompt,label\na,evil\n", "label 'evil'"),
        ("harmful,harmless\na,b\n", "1 harmful prompts"),
    ],
)
def test_bad_pairs_are_refused_with_their_place(tmp_path, content, message):
    path = tmp_path / "pairs.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_pairs(path)


def test_what_was_left_out_is_printed_and_the_sets_hold_to_what_was_asked(call, tmp_path, capsys):
    with (tmp_path / "pairs.csv").open("a", newline="", encoding="utf-8") as file:
        file.write("How do I break the red gate at night?,Where is the river?\n")
    assert call("--near-duplicate", "0.9") == 0
    assert "pairs: 1 of 114 prompts stand in an earlier row too" in capsys.readouterr().out
    sets = yaml.safe_load((tmp_path / "config" / "mine.yaml").read_text())["prompt_sets"]
    assert [one["near_duplicate"] for one in sets.values()] == [0.9, 0.9]


def test_nothing_is_overwritten_unasked(call, tmp_path, capsys):
    assert call() == 0
    path = tmp_path / "config" / "mine.yaml"
    path.write_text(path.read_text() + "# a line of mine\n")
    written = path.read_text()
    assert call() == 1 and "--overwrite" in capsys.readouterr().err and path.read_text() == written
    assert call("--overwrite") == 0 and "a line of mine" not in path.read_text()


@pytest.mark.parametrize(
    "source", ["./typo", "../typo", "/no/such/typo", "~/typo", "models/typo", "typo/", "a/b/c", "typo", "org/name", "modèle/x"]
)
def test_a_folder_that_is_not_there_is_named_and_never_taken_for_a_hub_id(call, tmp_path, capsys, source):
    assert call(source=source) == 1
    said = capsys.readouterr().err
    assert "no such folder" in said and "expected: a folder with safetensors" in said
    assert not (tmp_path / "config" / "mine.yaml").exists() and not (tmp_path / "data").exists()


@pytest.mark.parametrize("source", ["./typo", "/no/such", "~/typo", "typo/", "a/b/c"])
def test_a_commit_makes_no_hub_id_of_a_path(call, capsys, source):
    assert call("--revision", "a" * 40, source=source) == 1
    assert "no such folder" in capsys.readouterr().err


def test_a_file_is_no_folder(call, tmp_path, capsys):
    (tmp_path / "model.safetensors").touch()
    assert call(source="model.safetensors") == 1 and "a file" in capsys.readouterr().err


def test_paths_are_read_from_where_the_caller_stands_and_written_for_the_run(call, tmp_path, monkeypatch, model, capsys):
    here, run = tmp_path / "of mine", tmp_path / "code"
    here.mkdir()
    (run / "data").mkdir(parents=True)
    write_pairs(here / "pairs.csv")
    (run / "pairs.csv").write_text("harmful,harmless\nthe wrong,file\n")
    (here / "model").symlink_to(model)
    monkeypatch.chdir(here)
    assert call("--directory", "../code", pairs="pairs.csv", source="model") == 0
    written = yaml.safe_load((run / "config" / "mine.yaml").read_text())
    assert written["models"]["mine"]["folder"] == str(here / "model")
    assert written["prompt_sets"]["harmful_requests"]["file"] == "data/mine/harmful.csv"
    assert (run / "data" / "mine" / "harmful.csv").is_file()
    assert sorted(path.name for path in here.iterdir()) == ["model", "pairs.csv"]
    said = capsys.readouterr().out
    assert f"--directory {run} --configfile {run}/config/mine.yaml" in said and f"{run}/results/mine/report.html" in said


def test_a_model_in_the_folder_of_the_run_is_written_as_it_is_called_there(call, tmp_path, model):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "it's [a] model").symlink_to(model)
    assert call(source="./models/it's [a] model") == 0
    assert yaml.safe_load((tmp_path / "config" / "mine.yaml").read_text())["models"]["mine"]["folder"] == "models/it's [a] model"


@pytest.mark.parametrize(
    "name",
    [
        "../mine",
        "../../x",
        "/tmp/x",
        "a/b",
        "a\\b",
        "",
        ".",
        "..",
        ".mine",
        "Mine",
        "-mine",
        "mine\n",
        "mine ",
        "m\u00efne",
        "a:b",
    ],
)
def test_a_name_that_is_no_name_is_refused(call, tmp_path, capsys, name):
    assert call(f"--name={name}") == 1 and "--name" in capsys.readouterr().err


def test_a_hub_model_needs_a_commit_and_is_not_asked_for(call, capsys):
    assert call(source="org/name") == 1 and "--revision" in capsys.readouterr().err
    assert call("--revision", "a" * 40, source="org/name") == 0
    assert "prefetch" in capsys.readouterr().out


def add_adapter(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')


def second_set(folder):
    shutil.copy(folder / "model.safetensors", folder / "model-00001-of-00001.safetensors")


def overflowing(folder):
    state(folder, model_type="gemma3_text", architectures=["Gemma3ForCausalLM"])


@pytest.mark.parametrize(
    ("harm", "more", "said"),
    [
        (add_adapter, (), "an adapter (for org/base) in the folder of a model"),
        (second_set, (), "two sets of weights: model.safetensors; and model-00001-of-00001.safetensors"),
        (overflowing, ("--dtype", "float16"), "models.mine.dtype: float16, for a model of type 'gemma3_text'"),
    ],
)
def test_a_folder_of_which_libraries_make_different_models_is_refused(call, tmp_path, model, capsys, harm, more, said):
    folder = shutil.copytree(model, tmp_path / "model")
    harm(folder)
    assert call(*more, source="model") == 1
    assert said in capsys.readouterr().err and not (tmp_path / "config" / "mine.yaml").exists()


@pytest.mark.parametrize("name", ["config", "store", "advbench"])
def test_a_name_of_something_else_is_refused_whatever_is_asked(call, tmp_path, capsys, name):
    (tmp_path / "config" / "config.yaml").write_text("results: theirs\n")
    assert call("--overwrite", name=name) == 1 and f"'{name}', which is" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["config.yaml"]
    assert (tmp_path / "config" / "config.yaml").read_text() == "results: theirs\n" and not (tmp_path / "data").exists()


def test_a_folder_of_the_run_that_is_not_there_is_named(call, tmp_path, capsys):
    assert call("--directory", "gone") == 1 and f"--directory {tmp_path / 'gone'}" in capsys.readouterr().err


def test_a_folder_that_is_no_model_is_refused_before_anything_is_written(call, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert call(source=str(tmp_path / "empty")) == 1
    assert "config.json" in capsys.readouterr().err and not (tmp_path / "config" / "mine.yaml").exists()


@pytest.mark.weights
def test_a_gguf_file_is_converted_and_said_what_it_costs(call, tmp_path, capsys):
    file, ready = real_gguf(SMOLLM2), real_folder(SMOLLM2)
    # What an earlier call has converted from the same bytes is used as it is.
    at = tmp_path / "results" / "mine" / "converted"
    at.mkdir(parents=True)
    (at / "mine.json").write_text(ready.with_suffix(".json").read_text())
    (at / "mine").symlink_to(ready)
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "data" / "mine" / MARK).write_text("")
    assert call(source=str(file)) == 0
    said = capsys.readouterr().out
    assert "134.5 million parameters, 30 blocks" in said and "converting it into results/mine/converted/mine" in said
    config = load_config(tmp_path / "config" / "mine.yaml")
    assert config.models["mine"].gguf == str(file) and not (at / "mine.json").is_symlink()


def test_a_conversion_leaves_the_record_that_the_workflows_own_job_leaves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = len(vocabulary(tmp_path / "words")[0])
    write_gguf(Path("tiny.gguf"), "llama", tiny_model("llama", words, tie_word_embeddings=False), tmp_path / "words")
    entry = {"gguf": "tiny.gguf", "kind": "aligned", "plain_english": False}
    assert folder_of("mine", entry) == Path("results/mine/converted/mine")
    ((record,), made) = read_records(Path("results/mine")), "results/mine/converted/mine.json"
    assert chain(Path("results/mine"), made) == [record] and set(raw_inputs([record])) == {"tiny.gguf"}
    assert len(record["outputs"][made]) == 64 and record["cost"]["seconds"] > 0
    (rule,) = re.findall(
        r'for key in \((.*?)\)\s*\},\s*code=stage_fingerprint\("convert"\)',
        (ROOT / "workflow" / "rules" / "prepare.smk").read_text(encoding="utf-8"),
    )
    assert list(record["parameters"]["source"]) == re.findall(r"\w+", rule)
    # The folder is used as it is; the record stays that of the call which made it.
    folder_of("mine", entry)
    assert read_records(Path("results/mine")) == [record]


def test_a_file_that_is_no_gguf_is_refused_before_a_study_is_written(call, tmp_path, capsys):
    (tmp_path / "model.safetensors").write_bytes(bytes(100))
    assert call(source="model.safetensors") == 1
    assert "a GGUF file, which begins with b'GGUF'" in capsys.readouterr().err
    assert not (tmp_path / "config" / "mine.yaml").exists()
