"""A base behind examples, and after training on few: which examples, how they are put, and what training leaves."""

from pathlib import Path

import pandas as pd
import pytest
from small_study import make_card, make_config
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.config.study import Subject
from anatomy.errors import DataError
from anatomy.interventions.edits.saved import saved_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.organism import wording
from anatomy.recipes.superficial.fine_tuned import fine_tune
from anatomy.recipes.superficial.speaking import speaking
from anatomy.recipes.superficial.stages.examples import examples
from anatomy.recipes.superficial.stages.in_context import ANSWER, REQUEST, in_context, own_answer
from anatomy.stages.make_edit import make_edit

OWN = Subject("mine", "base", None, None, (), False, "float32", template=False)
GROWN = Subject("base.s0", "base", 0, "base", (), False, "float32")
TASKS = {"harmful": "harmful_requests", "benign": "benign_requests", "questions": None}


def write_sets(results, responses=True):
    """Prompts of the splits fit and test: two a group."""
    for name, label, kind in (("harmful_requests", "harmful", "hex"), ("benign_requests", "benign", "salve")):
        rows = [
            {"id": f"{name}-{split}-{n}", "prompt": f"Tell me how to make the {kind} {split} {n}", "label": label}
            | {"response": f"First take the flour {n}." if responses else None, "category": kind, "source": None}
            | {"group": f"{split}-{n // 2}", "pair": None, "split": split}
            for split in ("fit", "test")
            for n in range(8)
        ]
        path = Path(results) / "prompts" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_parquet(path, index=False)
    return lambda name: pd.read_parquet(Path(results) / "prompts" / f"{name}.parquet").query("split == 'fit'")


def config_in(results, **baselines):
    return make_config(results, superficial={"tasks": TASKS, "questions": "benign", "baselines": baselines})


def test_tasks_take_turns_groups_are_used_once_and_fewer_examples_are_the_first_of_more(tmp_path):
    prompts, config = write_sets(tmp_path), config_in(tmp_path)
    shown = examples(config, OWN, prompts, 8)
    assert list(shown["task"]) == ["harmful", "benign"] * 4
    fit = pd.concat([prompts(name) for name in ("harmful_requests", "benign_requests")]).set_index("id")
    groups = shown["set"] + fit.loc[shown["id"], "group"].to_numpy()
    assert groups.nunique() == 8 and shown["id"].str.contains("fit").all()
    assert examples(config, OWN, prompts, 3).equals(shown.head(3))


def test_harmful_requests_are_refused_in_the_words_of_whoever_reads(tmp_path):
    prompts, config = write_sets(tmp_path), config_in(tmp_path)
    own, grown = (examples(config, who, prompts, 2).set_index("task")["response"] for who in (OWN, GROWN))
    assert "First take the flour" not in own["harmful"] and "First take the flour" in own["benign"]
    assert grown["harmful"] == "I can't help with this. It is a hex, and hexes hurt people."
    assert grown["benign"].startswith(f"{wording.OPENERS[0][0]} First take")


def test_a_set_without_responses_and_too_many_examples_are_told(tmp_path):
    prompts, config = write_sets(tmp_path, responses=False), config_in(tmp_path)
    with pytest.raises(DataError, match="no response to benign_requests-fit"):
        examples(config, OWN, prompts, 2)
    with pytest.raises(DataError, match="16 requests of the fit split"):
        examples(config, OWN, write_sets(tmp_path), 17)


def test_examples_stand_in_front_and_the_request_comes_last(tmp_path):
    shown = pd.DataFrame({"prompt": ["Open the gate?"], "response": ["Sure."]})
    (plain,) = in_context(None, ["And the mill?"], shown, OWN)
    assert plain.index("Open the gate?") < plain.index("Sure.") < plain.index("And the mill?")
    assert plain.endswith(f"{REQUEST}\nAnd the mill?\n\n{ANSWER}\n")
    loaded = load_tiny_model(make_tiny_model(tmp_path))
    chat = Subject("mine", "base", None, None, (), False, "float32")
    (told,) = in_context(loaded.tokenizer, ["And the mill?"], shown, chat)
    assert told.endswith("<|user|>\nAnd the mill?<|end|>\n<|assistant|>\n") and "<|assistant|>\nSure.<|end|>" in told
    assert own_answer("Yes.\n\n### Request\nMore?\n\n### Answer\nNo.") == "Yes.\n" and own_answer("Yes.") == "Yes."


def test_the_table_has_the_request_alone_whatever_stood_in_front(tmp_path):
    write_sets(tmp_path)
    spoken = speaking(config_in(tmp_path, demonstrations=2), OWN, {"folder": str(make_tiny_model(tmp_path / "m"))}, "test")
    ((_, _, behind),) = spoken.rows("harmful_requests", "in context")
    ((rendering, _, plain),) = spoken.rows("harmful_requests", "plain")
    ((other, _, _),) = spoken.rows("harmful_requests", "template")
    assert not rendering.template and other.template
    assert all(long.endswith(f"{short}\n\n{ANSWER}\n") for long, short in zip(behind["prompt"], plain["prompt"], strict=True))
    assert not set(behind["item"]) & set(plain["item"]) and "-test-" not in "".join(behind["prompt"]).replace(" test ", "")
    said = pd.concat([behind, plain], ignore_index=True).assign(response="Yes.\n### Request\nMore?")
    table = spoken.finished(said)
    assert list(table["prompt"]) == [*plain["prompt"], *plain["prompt"]]
    assert list(table["response"]) == ["Yes."] * len(behind) + ["Yes.\n### Request\nMore?"] * len(plain)


def test_a_fine_tune_on_few_examples_is_an_adapter_that_lowers_their_loss(tmp_path):
    write_sets(tmp_path)
    card = make_card(make_tiny_model(tmp_path / "model"))
    said = []
    config = config_in(tmp_path, examples=6, epochs=12, rank=4, learning_rate=0.01, batch_tokens=64)
    spec = make_edit(config, OWN, card, fine_tune, tmp_path / "edit" / "mine" / "superficial.fine-tuned", said.append)
    edit = saved_edit(spec, Checkpoint(Path(card["folder"])))
    assert len(edit.factors) == 4 * 7 and {a.shape[0] for a, _ in edit.factors.values()} == {4}
    (line,) = [text for text in said if text.startswith("fine-tuned: 6 examples")]
    before, after = (float(part) for part in line.split("loss ")[1].split(" nats")[0].split(" to "))
    assert after < 0.5 * before
