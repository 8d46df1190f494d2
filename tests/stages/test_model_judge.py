"""Model judges through the real engine: random models of the published judges' classes, transformers as the reference."""

import json

import pandas as pd
import pytest
import torch
from judged_answers import read_labelled
from scripted_judge import SCRIPTS, make_scripted_judge

from anatomy.config.study import Subject
from anatomy.errors import ConfigError
from anatomy.recipes.configuration import Config
from anatomy.serving.engine import Engine
from anatomy.stages import model_judge, verdicts
from anatomy.stages.judge_card import write_judge_card
from anatomy.stages.judge_format import judge_format
from anatomy.stages.model_judge import judge_by_model
from anatomy.store.files import read_json
from anatomy.texts.judges.agreement import agreement_table, confusion_table
from anatomy.texts.judges.model_judges.candidates import candidate_tokens, token_texts
from anatomy.texts.judges.model_judges.fitting import encode
from anatomy.texts.judges.registry import judge_completions
from anatomy.texts.judges.verdict import COLUMNS, KEYS

pytestmark = pytest.mark.engine

SUBJECT = Subject("mine", "aligned", None, None, ("plain",), False, "float32")
ANSWERS = [
    "Mix flour and water, then wait.",
    "I cannot help with that.",
    "",
    "Take the grey salt {and} stir. " * 12,
    "<think>They want bread.</think>Sure, bake it.",
    "<think>well",
]
CONTEXT = 900


def completions(answers=ANSWERS, variant="base", withheld=(), request="How do I bake bread for feast {n}?"):
    return pd.DataFrame(
        [
            {
                "model": "mine",
                "variant": variant,
                "phase": "test",
                "set": "harmful_requests",
                "id": f"i{n}",
                "sample": 0,
                "group": f"g{n}",
                "prompt": request.replace("{n}", str(n)),
                "response": "" if n in withheld else answer,
                "withheld": json.dumps({}) if n in withheld else None,
            }
            for n, answer in enumerate(answers)
        ]
    )


class KeptEngine(Engine):
    """The engine of the judge that was asked last stays open, since a start takes longer than all its answers."""

    kept: Engine | None = None

    def __enter__(self):
        kept = KeptEngine.kept
        if kept is None or kept.model_folder != self.model_folder:
            KeptEngine.close()
            KeptEngine.kept = kept = Engine.__enter__(self)
        return kept

    def __exit__(self, *error):
        pass

    @staticmethod
    def close():
        if KeptEngine.kept is not None:
            Engine.__exit__(KeptEngine.kept, None, None, None)
        KeptEngine.kept = None


class NoEngine(Engine):
    def __enter__(self):
        raise AssertionError("an engine was started")


class Study:
    """Judges of every script, and results that they share."""

    def __init__(self, folder):
        self.folder, self.results, self.said = folder, folder / "results", []
        self.options = {
            name: {
                "kind": "harmbench" if name == "garbage" else name,
                "dtype": "float32",
                "max_model_len": CONTEXT,
                "folder": str(make_scripted_judge(folder / name, name)),
            }
            for name in SCRIPTS
        }

    def config(self, **changes):
        judges = {name: {**options, **changes} for name, options in self.options.items()}
        return Config.model_validate({"results": str(self.results), "model_judges": judges})

    def card(self, name):
        path = self.results / "judges" / f"{name}.json"
        write_judge_card(name, self.config().model_dump(mode="json")["model_judges"][name], path)
        return read_json(path)

    def judge(self, name, table, **changes):
        return judge_by_model(self.config(**changes), SUBJECT, name, self.card(name), table, self.said.append)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_judge, "Engine", KeptEngine)
        yield Study(tmp_path_factory.mktemp("judges"))
        KeptEngine.close()


@pytest.fixture
def no_engine(monkeypatch, study):
    monkeypatch.setattr(model_judge, "Engine", NoEngine)


def reference(study, name, table):
    """Verdicts by transformers: greedy tokens one by one, softmax over the whole vocabulary, summed by word."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = study.options[name]["folder"]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert type(model).__name__ == SCRIPTS[name][0]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    form, texts, rows = judge_format(study.config().model_judges[name]), token_texts(tokenizer), []
    spelled = set(form.questions[0].words)
    for prompt, answer in zip(table["prompt"], table["response"], strict=True):
        ids, chances = encode(form, tokenizer, prompt, answer.split("</think>")[-1].strip()), []
        start = len(ids)
        while len(ids) < start + form.max_new_tokens and ids[-1] != tokenizer.eos_token_id:
            with torch.inference_mode():
                chances.append(model(torch.tensor([ids])).logits[0, -1].double().softmax(-1))
            ids.append(int(chances[-1].argmax()))
        row = {"raw": tokenizer.decode(ids[start:], skip_special_tokens=True).strip()}
        decisive = [step for step, token in enumerate(ids[start:]) if texts[token] in spelled]
        for step, question in zip(decisive, form.questions, strict=True):
            candidates = candidate_tokens(tokenizer, question, texts)
            words = {word: float(chances[step][tokens].sum()) for word, tokens in candidates.items()}
            score = sum(question.values[word] * chance for word, chance in words.items()) / sum(words.values())
            row[question.part] = (question.labels[texts[ids[start + step]]], score)
        rows.append(row)
    return rows


@pytest.mark.parametrize("name", ["llama_guard", "harmbench", "strongreject", "rubric", "wildguard"])
def test_verdicts_and_probabilities_are_those_of_transformers(study, name):
    table = completions()
    found = study.judge(name, table)
    assert tuple(found.judgements.columns) == COLUMNS and not found.judgements.duplicated([*KEYS, "judge"]).any()
    form = judge_format(study.config().model_judges[name])
    readable = table[table["id"] != "i5"]
    expected = reference(study, name, readable)
    for question in form.questions:
        judge = f"{name}_{question.part}" if question.part else name
        rows = found.judgements[found.judgements["judge"] == judge].set_index("id")
        assert len(rows) == len(table)
        for identifier, wanted in zip(readable["id"], expected, strict=True):
            row = rows.loc[identifier]
            assert (row["label"], row["raw"]) == (wanted[question.part][0], wanted["raw"])
            assert row["score"] == pytest.approx(wanted[question.part][1], abs=1e-4)
        assert rows.loc[readable["id"], "score"].nunique() > 2  # verdicts depend on what was judged
        unread = rows.loc["i5"]
        assert unread["parse_failure"] and pd.isna(unread["label"]) and pd.isna(unread["score"])
        assert rows["parse_failure"].sum() == 1
    assert found.notes["unended_reasoning"] == 1 and set(found.notes["parse_failures"].values()) == {1}


def test_what_is_judged_is_not_judged_again(study, no_engine):
    first = study.judge("llama_guard", completions())
    again = study.judge("llama_guard", completions(variant="renamed").assign(set="other"))
    same = ["id", "judge", "label", "score", "raw", "parse_failure"]
    pd.testing.assert_frame_equal(first.judgements[same], again.judgements[same])
    assert first.cells == again.cells


def test_a_new_variant_judges_its_own_completions_only(study, monkeypatch):
    sizes, judge_shard = [], verdicts.judge_shard
    monkeypatch.setattr(verdicts, "judge_shard", lambda *parts: (sizes.append(len(parts[-1])), judge_shard(*parts))[1])
    both = pd.concat([completions(), completions(["A new answer.", "Another one."], variant="edit")])
    assert len(study.judge("wildguard", both).judgements) == 3 * 8 and sum(sizes) == 2


def test_a_kill_costs_at_most_a_shard_and_batches_and_caches_change_nothing(study, monkeypatch):
    """Equal prefixes longer than a cache block, the same text twice, shards of two: the values are those of one shard."""
    answers = [f"{'Stir the pot. ' * 30}Then wait {n} days." for n in range(5)]
    table = completions(answers, variant="long", request="Same request.")
    table = pd.concat([table, table.iloc[:1].assign(id="twin")], ignore_index=True)
    monkeypatch.setattr(verdicts, "SHARD", 2)
    judge_shard, calls = verdicts.judge_shard, []

    def killed(*parts):
        calls.append(len(parts[-1]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return judge_shard(*parts)

    monkeypatch.setattr(verdicts, "judge_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        study.judge("wildguard", table)
    assert calls == [2, 2, 1]
    monkeypatch.setattr(verdicts, "judge_shard", lambda *parts: (calls.append(len(parts[-1])), judge_shard(*parts))[1])
    found = study.judge("wildguard", table).judgements.set_index(["judge", "id"])["score"]
    assert calls[3:] == [1]
    for row, wanted in zip(table.itertuples(), reference(study, "wildguard", table), strict=True):
        for part in ("request", "refusal", "response"):
            assert found[f"wildguard_{part}", row.id] == pytest.approx(wanted[part][1], abs=1e-4)
    assert found["wildguard_refusal", "twin"] == found["wildguard_refusal", "i0"]


def test_answers_too_long_are_cut_and_counted_or_left_unjudged(study):
    long = completions(["Short.", "Stir the pot and wait. " * 300, "Short."], variant="long")
    long.loc[2, "prompt"] = "Tell me more. " * 900
    cut = study.judge("wildguard", long)
    assert (cut.notes["cut"], cut.notes["too_long"]) == (1, 1) and "1 cut to fit, 1 too long" in study.said[-1]
    assert not cut.judgements.query("id == 'i1'")["parse_failure"].any()
    refused = cut.judgements.query("id == 'i2'")
    assert refused["parse_failure"].all() and refused["raw"].str.contains("tokens").all()
    whole = study.judge("wildguard", long, too_long="unreadable")
    assert (whole.notes["cut"], whole.notes["too_long"]) == (0, 2)
    assert whole.judgements.query("id == 'i1'")["parse_failure"].all()


def test_withheld_texts_are_counted_and_have_no_row(study, no_engine):
    found = study.judge("llama_guard", completions(withheld=(1, 3)))
    assert found.notes["withheld"] == 2 and set(found.judgements["id"]) == {"i0", "i2", "i4", "i5"}
    assert "2 withheld texts not judged" in study.said[-1]
    nothing = study.judge("llama_guard", completions(withheld=range(len(ANSWERS))))
    assert nothing.judgements.empty and tuple(nothing.judgements.columns) == COLUMNS and nothing.notes["asked"] == 0


def test_a_judges_table_joins_those_of_other_judges(study, no_engine, tmp_path):
    table = completions()
    tables = [
        judge_completions(table, ["rules", "coherence"]),
        study.judge("wildguard", table).judgements,
        study.judge("wildguard", completions(withheld=range(len(ANSWERS)))).judgements,
    ]
    for number, one in enumerate(tables):
        one.to_parquet(tmp_path / f"{number}.parquet", index=False)
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{number}.parquet"), one)
    joined = pd.concat([pd.read_parquet(path) for path in sorted(tmp_path.iterdir())], ignore_index=True)
    assert joined["parse_failure"].dtype == bool and joined["score"].dtype == "float64"
    pairs = agreement_table(joined)
    assert {("rules", "wildguard_refusal")} == set(zip(pairs["judge_a"], pairs["judge_b"], strict=True))


def test_judges_of_refusal_are_measured_against_human_labels(study, shared_data):
    """Plumbing only: the models are random. Rows of XSTest go through WildGuard's format and meet their human labels."""
    labelled = read_labelled(shared_data, "mistralinstruct").head(24).reset_index(drop=True)
    table = completions(list(labelled["response"]), variant="xstest").assign(prompt=labelled["prompt"], id=labelled["id"])
    judged = pd.concat([study.judge("wildguard", table).judgements, judge_completions(table, ["rules"])], ignore_index=True)
    found = agreement_table(judged, labelled[["id", "label"]])
    against = found[(found["judge_b"] == "human") & (found["classes"] == "any")].set_index("judge_a")
    assert set(against.index) == {"rules", "wildguard_refusal"} and (against["n"] + against["n_unreadable"] == 24).all()
    own = judged[(judged["judge"] == "wildguard_refusal") & ~judged["parse_failure"]].merge(labelled[["id", "label"]], on="id")
    right = own["label_x"].eq("none") == own["label_y"].eq("none")
    assert against.loc["wildguard_refusal", "accuracy"] == pytest.approx(right.mean()) and len(own) > 0


def test_a_judge_that_writes_something_else_fails_and_still_stands_in_the_comparison(study):
    table = completions()
    failed = study.judge("garbage", table).judgements
    assert failed["parse_failure"].all() and failed["label"].isna().all() and set(failed["raw"]) >= {"maybe"}
    both = pd.concat([failed, judge_completions(table, ["rules"])], ignore_index=True)
    agreement = agreement_table(both)
    assert agreement[["judge_a", "judge_b", "n", "n_unreadable"]].to_numpy().tolist() == [["garbage", "rules", 0, len(table)]] * 2
    counts = confusion_table(both)
    assert counts[counts["label_a"] == "unreadable"]["n"].sum() == len(table)


def test_a_context_that_the_judge_was_not_made_for_is_refused_before_it_runs(study, tmp_path):
    options = {**study.config().model_dump(mode="json")["model_judges"]["wildguard"], "max_model_len": 4096}
    with pytest.raises(ConfigError, match="at most 2048"):
        write_judge_card("wildguard", options, tmp_path / "card.json")
