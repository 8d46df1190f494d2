"""Shares of gains: the paper's own arithmetic, and intervals that hold the planted share."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anatomy.config.study import Subject, subjects
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_claim
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.report.published import read_published
from anatomy.recipes.configuration import Config, check_config
from anatomy.recipes.superficial.claims import claims_of
from anatomy.recipes.superficial.gains import gains_table, published_shares
from anatomy.recipes.superficial.options import Superficial
from anatomy.recipes.superficial.pairs import heads_of_base, pairs
from anatomy.recipes.superficial.refusals import refusals_table

PUBLISHED = Path(__file__).resolve().parents[3] / "config" / "paper" / "superficial.published.csv"
OPTIONS = {
    "recipes": ["superficial"],
    "seeds": [0, 1],
    "judges": ["rules"],
    "organism": {"members": ["base", "aligned", "placebo-1"]},
    "selection": {"headline": ["aligned"]},
    "rosi": {"headline": ["aligned"]},
}
RESAMPLING = Resampling(0.95, 0, 500)


def test_the_papers_shares_follow_from_its_tables():
    table = published_shares(read_published(PUBLISHED), pd.DataFrame())
    heads = table[(table["arm"] == "superficial") & table["table"].isin([1, 5, 6])]
    found = heads.set_index(["model", "measure"])["share"].mul(100).round()
    gsm = {"llama-2-7b-chat": 53, "llama-2-13b-chat": 62, "mistral-7b-instruct-v0.3": 25, "qwen2.5-3b-instruct": 38}
    truth = {"llama-2-7b-chat": 94, "llama-2-13b-chat": 67, "mistral-7b-instruct-v0.3": 74, "qwen2.5-3b-instruct": 74}
    assert {model: found[model, "gsm"] for model in gsm} == gsm
    assert {model: found[model, "info_true"] for model in truth} == truth


def test_the_papers_headline_is_the_ratio_of_summed_gains():
    table = published_shares(read_published(PUBLISHED), pd.DataFrame())
    llamas = table[table["model"].str.startswith("llama") & (table["arm"] == "superficial")]
    for measure, headline in (("gsm", 0.583), ("info_true", 0.780)):
        rows = llamas[llamas["measure"] == measure]
        share = (rows["value"] - rows["base"]).sum() / (rows["aligned"] - rows["base"]).sum()
        assert share == pytest.approx(headline, abs=0.001)


def test_each_published_baseline_stands_beside_ours():
    """7B with URIAL in table 1: GSM .049 of .037 and .230; ours are found by the model's pair and the nearest task."""
    ours = pd.DataFrame([{"pair": "llama-2-7b-chat", "task": "refusal of harmful requests", "arm": "in-context", "share": 0.3}])
    table = published_shares(read_published(PUBLISHED), ours).set_index(["model", "measure", "arm"])
    assert table.loc[("llama-2-7b-chat", "gsm", "urial"), "share"].item() == pytest.approx(0.012 / 0.193)
    assert table.loc[("llama-2-7b-chat", "harm_rate", "urial"), "our_share"].item() == 0.3
    assert table["our_share"].notna().sum() == 1
    assert table.loc[("llama-2-7b-chat", "gsm", "transferable"), "share"].item() == pytest.approx(0.074 / 0.193)
    assert {"superficial", "urial", "lima", "transferable"} == set(table.index.get_level_values("arm"))


def outcomes(rate, n=100):
    """So many refusals of n, those of a lower rate among those of a higher one."""
    return (np.arange(n) < round(rate * n)).astype(float)


BASELINES = {"in-context": 0.2, "fine-tuned": 0.4}


def tables_of(config, harmful, benign=None, facts=None, harmless=None):
    """Judgements, variants and facts of pairs whose rates are given by variant."""
    judged, variants, said, read = [], [], [], []
    for pair in pairs(config):
        if pair.is_control:
            continue
        (base,) = [subject for subject in subjects(config) if subject.id == pair.base]
        named = {"base": (pair.base, "base", "base"), "aligned": (pair.aligned, "base", "base")}
        for head in heads_of_base(config, base):
            role = "control" if head.control else "measure" if head.intent == "measure" else "method"
            named[head.name] = (pair.base, head.name, role)
        named |= {name: (pair.base, name, "method") for name in BASELINES}
        named |= {
            "base as-plain": (pair.base, "as-plain", "control"),
            "aligned as-plain": (pair.aligned, "as-plain", "control"),
        }
        for name, (model, variant, role) in named.items():
            variants.append(
                {"model": model, "variant": variant, "phase": "test", "role": role, "family": variant, "form": "head"}
            )
            for n, value in enumerate(outcomes((harmless or {}).get(name, 0.0))):
                read.append(
                    {"model": model, "variant": variant, "set": "jailbreak_requests", "id": f"j{n}", "group": f"g{n // 2}"}
                )
                read[-1]["value"] = value

            for prompts, rates in (("harmful_requests", harmful), ("benign_requests", benign or {})):
                for n, value in enumerate(outcomes(rates.get(name, 0.0))):
                    judged.append(
                        {
                            "model": model,
                            "variant": variant,
                            "phase": "test",
                            "set": prompts,
                            "id": f"{prompts}{n}",
                            "judge": "rules",
                        }
                        | {"group": f"g{n // 2}", "label": "full" if value else "none", "parse_failure": False, "score": value}
                    )
        for name, rate in (facts or {}).items():
            said += [
                {"model": pair.aligned, "head": name, "id": f"f{n}", "group": f"c{n // 4}", "value": value}
                for n, value in enumerate(outcomes(rate))
            ]
    return Tables(
        judgements=pd.DataFrame(judged),
        variants=pd.DataFrame(variants),
        facts=pd.DataFrame(said),
        toxicity=pd.DataFrame(read),
    )


RECOVERED = {"aligned": 0.9, "aligned-pooled": 0.88, "aligned-shuffled": 0.05, "aligned-random": 0.0, "aligned-questions": 0.1}
LEARNT = {"base": 0.05, "aligned": 0.6, "aligned-pooled": 0.06}


@pytest.fixture(scope="module")
def config():
    return check_config(OPTIONS, "test")


def verdicts(config, tables):
    return {
        claim.id.removeprefix("superficial."): evaluate_claim(claim, tables, RESAMPLING).verdict
        for claim in claims_of(config, next(pair for pair in pairs(config) if not pair.is_control))
    }


def test_verdicts_follow_what_was_planted(config):
    found = verdicts(config, tables_of(config, RECOVERED, {"aligned-pooled": 0.0}, LEARNT))
    kept = ("safety", "over_refusal", "shuffled", "random", "elsewhere", "facts", "placebo.placebo-1")
    assert {found[name] for name in kept} == {Verdict.SUPPORTED}
    assert found["first_tokens"] == Verdict.NOT_TESTABLE


def test_what_alignment_brings_is_a_premise_and_no_part_of_what_is_corrected(config):
    """The p-value and the numbers shown are of the head's share: of 100 refusals .88 minus .8 of .9."""
    tables = tables_of(config, RECOVERED, {"aligned-pooled": 0.0}, LEARNT)
    pair = next(pair for pair in pairs(config) if not pair.is_control)
    safety = next(claim for claim in claims_of(config, pair) if claim.id == "superficial.safety")
    found = evaluate_claim(safety, tables, RESAMPLING)
    assert [test.premise for test in safety.tests] == [True, False]
    assert found.estimate == pytest.approx(0.88 - 0.8 * 0.9) and found.p == found.parts[1].p


def test_verdicts_fail_where_the_opposite_was_planted(config):
    harmful = {"aligned": 0.9, "aligned-pooled": 0.3, "aligned-shuffled": 0.9, "aligned-questions": 0.9, "placebo-1-pooled": 0.7}
    found = verdicts(
        config, tables_of(config, harmful, {"aligned-pooled": 0.5}, {"base": 0.0, "aligned": 0.6, "aligned-pooled": 0.6})
    )
    lost = ("safety", "over_refusal", "shuffled", "elsewhere", "facts", "placebo.placebo-1")
    assert {found[name] for name in lost} == {Verdict.NOT_SUPPORTED}


@pytest.mark.parametrize(
    ("early", "verdict"), [(0.9, Verdict.SUPPORTED), (0.4, Verdict.NOT_SUPPORTED), (None, Verdict.NOT_TESTABLE)]
)
def test_an_early_head_is_compared_answer_by_answer(config, early, verdict):
    heads = {"aligned-pooled": 0.5} | ({} if early is None else {"early": early})
    rows = [
        {"set": "harmful_requests", "id": f"p{n}", "group": f"g{n}", "position": place, "texts": "aligned answers"}
        | {"model": f"aligned.s{seed}", "head": head, "kl": level + 0.01 * (n % 5)}
        for seed in (0, 1)
        for head, level in heads.items()
        for n in range(40)
        for place in range(3)
    ]
    tables = tables_of(config, RECOVERED, {"aligned-pooled": 0.0}, LEARNT)
    assert verdicts(config, tables.but(kl=pd.DataFrame(rows)))["not_early"] == verdict


def test_a_model_that_alignment_did_not_change_has_no_share(config):
    tables = tables_of(config, {"base": 0.5, "aligned": 0.5, "aligned-pooled": 0.5}, facts=dict.fromkeys(LEARNT, 0.2))
    found = verdicts(config, tables)
    asked_of_a_gain = ("safety", "shuffled", "random", "elsewhere", "facts")
    assert {found[name] for name in asked_of_a_gain} == {Verdict.NOT_TESTABLE}
    assert gains_table(config, [pair for pair in pairs(config) if not pair.is_control], tables)["share"].isna().all()


def test_the_interval_holds_the_planted_share_and_pools_seeds(config):
    tables = tables_of(config, {"aligned": 0.8, "aligned-pooled": 0.4}, facts=LEARNT)
    table = gains_table(config, [pair for pair in pairs(config) if not pair.is_control], tables)
    refusals = table[(table["task"] == "refusal of harmful requests") & (table["arm"] == "head")].set_index("pair")
    assert list(refusals.index) == ["aligned.s0", "aligned.s1", "pooled"]
    assert refusals["share"].round(2).eq(0.5).all() and (refusals["low"] < 0.5).all() and (refusals["high"] > 0.5).all()
    width = refusals["high"] - refusals["low"]
    assert width["pooled"] < width["aligned.s0"] and refusals.loc["pooled", "n"] == 200


def test_refusals_of_every_set_stand_beside_one_another_with_their_n(config):
    """Heads stand for the sets that they answered, and safety beside over-refusal."""
    tables = tables_of(config, {"aligned": 0.9, "aligned-pooled": 0.7}, {"aligned": 0.1, "aligned-pooled": 0.3})
    pair = next(pair for pair in pairs(config) if not pair.is_control)
    found = refusals_table(config, [pair], tables).set_index(["who", "set"])
    assert found.loc[("aligned-pooled", "harmful_requests"), ["refused", "n"]].tolist() == pytest.approx([0.7, 100])
    assert found.loc[("aligned-pooled", "benign_requests"), "refused"] == pytest.approx(0.3)
    row = found.loc[("aligned", "harmful_requests")]
    assert row["low"] < row["refused"] == pytest.approx(0.9) and row["high"] > row["refused"]
    assert "lookalike_requests" not in found.index.get_level_values("set"), "nobody answered them here"


def test_each_baseline_stands_beside_the_head_with_a_share_of_its_own(config):
    tables = tables_of(config, {"aligned": 0.8, "aligned-pooled": 0.6, **BASELINES}, facts=LEARNT)
    table = gains_table(config, [pair for pair in pairs(config) if not pair.is_control], tables)
    own = table[(table["task"] == "refusal of harmful requests") & (table["pair"] == "pooled")].set_index("arm")
    assert own["share"].round(2).to_dict() == {"head": 0.75, "in-context": 0.25, "fine-tuned": 0.5}
    assert own["base"].nunique() == own["aligned"].nunique() == 1
    found = verdicts(config, tables)
    assert {found["beyond.in-context"], found["beyond.fine-tuned"]} == {Verdict.SUPPORTED}
    lost = verdicts(config, tables_of(config, {"aligned": 0.8, "aligned-pooled": 0.1, **BASELINES}, facts=LEARNT))
    assert {lost["beyond.in-context"], lost["beyond.fine-tuned"]} == {Verdict.NOT_SUPPORTED}


@pytest.mark.parametrize(("head", "verdict"), [(0.95, Verdict.SUPPORTED), (0.4, Verdict.NOT_SUPPORTED)])
def test_harmful_text_is_a_task_of_its_own(config, head, verdict):
    tables = tables_of(config, RECOVERED, facts=LEARNT, harmless={"base": 0.1, "aligned": 1.0, "aligned-pooled": head})
    assert verdicts(config, tables)["toxicity"] == verdict


@pytest.mark.parametrize(("alone", "verdict"), [(0.2, Verdict.SUPPORTED), (3.0, Verdict.NOT_SUPPORTED)])
def test_the_templates_part_is_compared_with_alignments_answer_by_answer(config, alone, verdict):
    rows = [
        {"set": "harmful_requests", "id": f"p{n}", "group": f"g{n}", "position": place, "model": f"aligned.s{seed}"}
        for seed in (0, 1)
        for n in range(40)
        for place in range(3)
    ]
    kl = pd.DataFrame(rows).assign(head="base", texts="aligned answers", kl=1.0)
    moved = pd.DataFrame(rows).assign(order="chat-plain", arm="template alone", kl=alone)
    tables = tables_of(config, RECOVERED, facts=LEARNT).but(kl=kl, orders=moved)
    assert verdicts(config, tables)["template.chat-plain"] == verdict


def test_refusals_that_the_template_makes_are_no_alignment(config):
    """The base refuses through its template alone: as plain text it does not; the aligned model does either way."""
    kept = {"base": 0.05, "base as-plain": 0.0, "aligned": 0.9, "aligned as-plain": 0.85}
    found = verdicts(config, tables_of(config, kept, facts=LEARNT))
    assert {found["template.chat-plain.base"], found["template.plain-chat.aligned"]} == {Verdict.SUPPORTED}
    moved = {"base": 0.05, "base as-plain": 0.0, "aligned": 0.9, "aligned as-plain": 0.1}
    found = verdicts(config, tables_of(config, moved, facts=LEARNT))
    assert (found["template.chat-plain.base"], found["template.plain-chat.aligned"]) == (
        Verdict.SUPPORTED,
        Verdict.NOT_SUPPORTED,
    )


def test_of_refusals_that_alignment_does_not_bring_a_template_makes_no_share(config):
    """Both refuse one in ten; the template takes refusals away, which is less than any share of nothing."""
    same = {"base": 0.1, "base as-plain": 0.3, "aligned": 0.1, "aligned as-plain": 0.3}
    found = verdicts(config, tables_of(config, same, facts=LEARNT))
    assert {found["template.chat-plain.base"], found["template.plain-chat.aligned"]} == {Verdict.NOT_TESTABLE}


def test_controls_of_a_pair_of_ones_own_are_heads_too_and_a_control_pairs_head_is_not_kept():
    models = {"mine": {"folder": "a", "kind": "aligned"}, "plain": {"folder": "b", "kind": "base"}}
    wanted = {"pairs": {"mine": "plain"}, "controls": {"placebo-1": "plain"}}
    config = Config.model_construct(**{**dict(Config()), "models": models, "superficial": Superficial(**wanted)})
    base = Subject("plain", "base", None, None, (), False, "float32")
    intents = {head.kind: head.intent for head in heads_of_base(config, base)}
    assert intents["pooled"] == "amplify" and intents["shuffled"] == intents["random"] == "control"
    assert "measure" not in intents.values()
