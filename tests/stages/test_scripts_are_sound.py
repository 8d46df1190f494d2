"""Every script, those to come too, takes models and directions through the checks of their content."""

import ast
import re
import shutil

import pytest
from quick_run import ROOT

from anatomy.errors import StoreError
from anatomy.stages.model_directions import ModelDirections
from anatomy.stages.soundness import sound_extraction
from anatomy.store.files import read_json
from anatomy.store.mending import mending

JOBS = sorted((ROOT / "workflow" / "anatomy" / "recipes").glob("*/jobs/[a-z]*.py"))
"""Jobs of papers' own, which stand where a script stands for a shared stage."""
SCRIPTS = [*sorted((ROOT / "workflow" / "scripts").glob("*.py")), *JOBS]
RULES = sorted((ROOT / "workflow" / "rules").rglob("*.smk"))
UNCHECKED = {
    "read_card": "sound_model",
    "load_model": "sound_model, and a stage that opens it",
    "open_scorer": "sound_model, and a stage that opens it",
    "load_directions": "ModelDirections",
}
"""What hands over a payload as it lies, and what a script calls instead."""
CARD = re.compile(r"AT\.model\(|judge_card\.output\.card|pairwise_judge\(\)|weights_of\(")
OPENS_NOTHING = {
    "model_card": "it writes the card",
    "judge_card": "it writes the card",
    "claims": "cards are printed",
    "figures": "cards are printed",
    "page": "cards are printed",
}
"""Scripts whose rules name a model's card and that read no weights."""


def names_in(path):
    return {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}


def rules():
    """Each rule of the rule files: its name, the text of its inputs, and the code that it runs: a script, or a paper's job."""
    for path in RULES:
        for part in re.split(r"^rule ", path.read_text(), flags=re.M)[1:]:
            script = re.search(r'(?:scripts|SCRIPTS\})/(\w+)\.py"', part)
            job = re.search(r'module="anatomy\.([\w.]+)"', part)
            inputs = re.search(r"^    input:\n(.*?)^    \w+:", part, flags=re.M | re.S)
            if script and inputs:
                home = f"anatomy/{job[1].replace('.', '/')}" if job else f"scripts/{script[1]}"
                yield part.partition(":")[0], inputs[1], ROOT / "workflow" / f"{home}.py", path.read_text()


def input_text(inputs, text):
    """The inputs as written, with the functions of the rule file that they call."""
    called = [name for name in re.findall(r"\b(\w+)\(", inputs) if re.search(rf"^def {name}\(", text, flags=re.M)]
    bodies = [re.search(rf"^def {name}\(.*?(?=^\S|\Z)", text, flags=re.M | re.S)[0] for name in called]
    return "\n".join([inputs, *bodies])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_script_reads_a_payload_as_it_lies(path):
    used = names_in(path) & set(UNCHECKED)
    assert not used, "; ".join(f"{name}: call {UNCHECKED[name]}" for name in sorted(used))


def test_every_rule_that_is_given_a_models_card_checks_the_model():
    given = {path for _, inputs, path, text in rules() if CARD.search(input_text(inputs, text))}
    expected = {"extract", "generate", "make_edit", "signature", "detect", "text_measures", "pairwise", "model_judge", "export"}
    assert expected <= {path.stem for path in given}
    assert not [path for path in given if path.stem not in OPENS_NOTHING and not names_in(path) & {"sound_model", "sound_judge"}]


EXTRACTIONS = [
    (kind, name, file)
    for kind, name, files in (
        ("card.json", "plain", ("directions", "controls", "means", "inputs")),
        ("signature.json", "signature", ("directions", "controls", "means")),
        ("signature.json", "same_text", ("directions", "means")),
    )
    for file in (*(f"{one}.safetensors" for one in files), "directions.card.json")
]


@pytest.fixture
def extracted(extraction, passes, tmp_path):
    """A folder of both extractions of a model, as results have it."""
    folder = tmp_path / "extract"
    shutil.copytree(extraction, folder)
    shutil.copytree(passes.extracted, folder, dirs_exist_ok=True)
    return folder


def read_everything(folder, contrast):
    found = ModelDirections(folder)
    found.candidates(contrast)
    found.harmless(contrast)


def test_one_reader_serves_both_extractions(extracted):
    for card in ("card.json", "signature.json"):
        assert sound_extraction(extracted / card) == extracted
        for contrast, facts in read_json(extracted / card)["contrasts"].items():
            found = ModelDirections(extracted)
            own, aim = found.candidates(contrast), found.harmless(contrast)
            assert aim.mean.shape == own.vectors.shape and len(facts["sides"]) == 2


@pytest.mark.parametrize(("described", "contrast", "file"), EXTRACTIONS)
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damaged_directions_are_never_read(extracted, described, contrast, file, damage):
    path = extracted / contrast / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(bytes(content) if damage == "flip" else bytes(content[:-7]))
    with mending(), pytest.raises(StoreError, match="extraction is made anew"):
        read_everything(extracted, contrast)
    assert not (extracted / described).exists(), "so Snakemake sees that the extraction has to run"
    other = {"card.json": "signature", "signature.json": "plain"}[described]
    read_everything(extracted, other)


def test_directions_that_no_card_describes_are_refused(extracted):
    shutil.copytree(extracted / "plain", extracted / "left_over")
    with pytest.raises(StoreError, match="no card that describes left_over"):
        read_everything(extracted, "left_over")
