"""Verdicts about facts on tables in which the answer was planted, and facts that a configuration tells."""

import numpy as np
import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.errors import ConfigError, DataError
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.organism.recipe import WorldSize
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms.fact_claims import best_layer, fact_claims, facts_table, mlp_beyond_attention
from anatomy.recipes.mechanisms.fact_figures import facts
from anatomy.recipes.mechanisms.stages.facts import not_as_asked
from anatomy.recipes.mechanisms.stages.planted_facts import told_apart, told_facts
from anatomy.recipes.mechanisms.under_edits import CONTROL, DRAWN, OF_DIRECTION, OF_PAPERS

MODEL, BEST = "aligned.s0", 1


def tables_of(mlp=0.8, attention=0.1, said=3.0, random=0.1, otherwise=1.0, stays=-4.0, outlives=True, count=16, drawn=True):
    """Facts that block 1 carries; ``said``, ``otherwise`` and ``stays`` are margins after an edit there, and -4 before any."""
    generator, patches, edits = np.random.default_rng(0), [], []
    for n, noise in enumerate(generator.normal(scale=0.05, size=count)):
        who = (f"f{n}", f"g{n}")
        for layer in range(3):
            patches.append((*who, "mlp", layer, (mlp if layer == BEST else 0.0) + noise))
            patches.append((*who, "attention", layer, (attention if layer == 2 else 0.0) + noise / 2))
            for kind, efficacy in (("fact", said if layer == BEST else -4.0), ("random key", -4.0 + random)):
                for under in ("", *OF_DIRECTION, *OF_PAPERS, *(name + CONTROL for name in DRAWN)):
                    stands = drawn if under.endswith(CONTROL) else outlives
                    kept = efficacy if not under or stands else -4.0
                    for measure, after in (("efficacy", kept), ("paraphrase", otherwise), ("unrelated", stays)):
                        edits.append((*who, layer, kind, under, measure, -4.0, after + noise))
    named = {
        "fact_patches": pd.DataFrame(patches, columns=["id", "group", "part", "layer", "recovery"]).assign(
            clean=3.0, corrupt=-2.0
        ),
        "fact_edits": pd.DataFrame(edits, columns=["id", "group", "layer", "kind", "under", "measure", "before", "after"]),
    }
    return Tables(**{name: table.assign(model=MODEL) for name, table in named.items()})


def judged(tables):
    config = check_config({}, "a test")
    subject = next(one for one in subjects(config) if one.id == MODEL)
    return evaluate_ledger(fact_claims(config, subject), tables, seed=0, resampling=Resampling(0.95, 0, 200))


def verdicts(tables):
    ledger = judged(tables)
    return {name.removeprefix("mechanisms."): verdict for name, verdict in zip(ledger["claim"], ledger["verdict"], strict=True)}


def test_what_was_planted_is_supported():
    assert set(verdicts(tables_of()).values()) == {Verdict.SUPPORTED}


@pytest.mark.parametrize(
    ("planted", "fails"),
    [
        ({"attention": 0.95}, "facts_in_mlps"),
        ({"random": 9.0}, "facts_in_mlps"),
        ({"otherwise": -5.0}, "fact_rewritten"),
        ({"stays": 2.0}, "fact_rewritten"),
    ],
)
def test_the_opposite_is_not(planted, fails):
    found = verdicts(tables_of(**planted))
    assert [name for name, verdict in found.items() if verdict != Verdict.SUPPORTED] == [fails]


def test_a_fact_that_another_edit_takes_away_does_not_outlive_it():
    found = verdicts(tables_of(outlives=False))
    lost = {name for name, verdict in found.items() if verdict == Verdict.NOT_SUPPORTED}
    assert lost == {name for name in found if name.startswith("fact_outlives")} and len(lost) == len(
        {**OF_DIRECTION, **OF_PAPERS}
    )
    alone = tables_of()
    alone = alone.but(fact_edits=alone.rows("fact_edits", under=""))
    assert {verdicts(alone)[name] for name in lost} == {Verdict.NOT_TESTABLE}


def test_as_many_facts_as_are_rewritten_by_default_can_support_every_claim():
    count = check_config({}, "a test").mechanisms.facts.count
    known = WorldSize()
    assert count <= round((known.creatures * (1 - known.withheld_facts)) / 2), "the organism has too few facts"
    assert set(verdicts(tables_of(count=count)).values()) == {Verdict.SUPPORTED}
    assert Verdict.SUPPORTED not in {
        verdict for name, verdict in verdicts(tables_of(count=6)).items() if name.startswith("fact_outlives.")
    }


def test_the_same_edit_at_random_stands_beside_each_claim_and_decides_nothing():
    for drawn in (True, False):
        ledger = judged(tables_of(outlives=False, drawn=drawn)).set_index("claim")
        rows = ledger[ledger.index.str.startswith("mechanisms.fact_outlives")]
        named = [f"mechanisms.fact_outlives{'' if name == 'injection' else '.' + name}" for name in DRAWN]
        own = rows.loc[[name.replace(" ", "_").replace("ROSI", "rosi") for name in named]]
        assert set(rows["verdict"]) == {str(Verdict.NOT_SUPPORTED)} and (own["controls"] == 1).all()
        assert (rows.drop(own.index)["controls"] == 0).all()
        assert ((own["control_low"] > 0) == drawn).all() and own["reason"].str.contains("; control ").all()


def test_without_facts_nothing_can_be_tested():
    assert set(verdicts(Tables()).values()) == {Verdict.NOT_TESTABLE} and facts_table(Tables(), MODEL).empty


def test_shares_are_of_facts_said_and_of_others_kept():
    table = facts_table(tables_of(stays=2.0), MODEL).set_index(["layer", "kind", "under"])
    row = table.loc[(BEST, "fact", "")]
    assert (row["efficacy"], row["paraphrase"], row["unrelated"], row["n"]) == (1.0, 1.0, 0.0, 16)
    assert table.loc[(0, "fact", ""), "efficacy"] == 0.0
    assert facts(tables_of().rows("fact_patches"), table.reset_index()).to_dict()["config"]


TOLD = {"subject": "France", "prompt": "The capital of {} is", "object": "Paris", "new": "Rome"}


def test_told_facts_stand_beside_one_another():
    other = {
        "subject": "Italy",
        "prompt": "People of {} speak",
        "object": "Italian",
        "new": "French",
        "paraphrases": ["In {} one says"],
    }
    config = check_config({"mechanisms": {"facts": {"own": [TOLD, other]}}}, "a test")
    one, two = told_facts(config.mechanisms.facts.own)
    assert one.statement.text == "The capital of France is" and two.paraphrases[0].text == "In Italy one says"
    (beside,) = one.unrelated
    assert (beside.text, beside.true, beside.new) == ("People of Italy speak", "Italian", "Rome")
    same = [TOLD, {**TOLD, "subject": "Italy", "object": "Rome", "new": "Paris"}]
    config = check_config({"mechanisms": {"facts": {"own": same}}}, "a test")
    assert [fact.unrelated for fact in told_facts(config.mechanisms.facts.own)] == [(), ()]  # true of the other subject


@pytest.mark.parametrize("prompt", ["The capital is", "The capital of {} is ", "{} and {}"])
def test_a_sentence_without_one_place_for_its_subject_is_an_error(prompt):
    with pytest.raises(ConfigError, match="where the subject stands"):
        check_config({"mechanisms": {"facts": {"own": [{**TOLD, "prompt": prompt}]}}}, "a test")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ([{**TOLD, "new": "Paris"}], "said of 'France' already"),
        ([{**TOLD, "contrary": "France"}], "the subject 'France' itself"),
        ([{**TOLD, "object": " Paris"}], "without a blank"),
        ([TOLD, TOLD], "more than once"),
        ([TOLD], "tells one fact"),
        ([{**TOLD, "subject": "Ann", "prompt": "{} lives in the Annex of"}], "'Ann' stands in"),
        ([{**TOLD, "contrary": "Italy", "prompt": "Beside Italy the capital of {} is"}], "'Italy' stands in"),
    ],
)
def test_a_fact_that_says_nothing_new_is_an_error(facts, said):
    with pytest.raises(ConfigError, match=said):
        check_config({"mechanisms": {"facts": {"own": facts}}}, "a test")


def test_facts_that_are_left_out_of_patching_or_not_known_are_named():
    italy = {**TOLD, "subject": "Italy", "object": "Rome", "new": "Paris"}
    told = told_facts(check_config({"mechanisms": {"facts": {"own": [TOLD, italy]}}}, "a test").mechanisms.facts.own)
    patches, edits = (tables_of().rows(name).replace({"f0": "fact0", "f1": "fact1"}) for name in ("fact_patches", "fact_edits"))
    assert not not_as_asked(told, patches, edits)
    edits.loc[(edits["id"] == "fact0") & (edits["measure"] == "efficacy"), "before"] = 1.0
    alone, unknown = not_as_asked(told, patches[patches["id"] != "fact1"], edits)
    assert alone == "1 of 2 facts are not patched, without a contrary subject of as many tokens: fact1"
    assert unknown == "1 of 2 facts are not what the model says before: fact0"


def test_doses_are_numbers():
    for dose in (float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="doses"):
            check_config({"mechanisms": {"doses": [1.0, dose]}}, "a test")


class Letters:
    """A tokenizer of single letters."""

    def __call__(self, text, return_offsets_mapping=False):
        places = [place for place, letter in enumerate(text) if letter != " "]
        return {"input_ids": [ord(text[n]) for n in places], "offset_mapping": [(n, n + 1) for n in places]}


def test_objects_that_begin_alike_cannot_be_told_apart():
    """By letters: Paris and Prague are a fact's own, and Rome and Riga of an unrelated one, which is left out."""
    italy, latvia = ({**TOLD, "subject": name, "object": said} for name, said in (("Italy", "Berlin"), ("Latvia", "Riga")))
    config = check_config({"mechanisms": {"facts": {"own": [TOLD, italy, latvia]}}}, "a test")
    found = told_apart(Letters(), told_facts(config.mechanisms.facts.own)[:2])
    assert [question.true for question in found[0].unrelated] == ["Berlin"]
    config = check_config({"mechanisms": {"facts": {"own": [{**TOLD, "new": "Prague"}, italy]}}}, "a test")
    with pytest.raises(DataError, match="'Paris' and 'Prague'"):
        told_apart(Letters(), told_facts(config.mechanisms.facts.own))


@pytest.mark.parametrize("worded", [{"prompt": "{} has a capital named"}, {"paraphrases": ["{} is led from"]}])
def test_a_subject_that_is_the_first_token_is_refused_and_one_behind_a_beginning_token_is_not(worded):
    class Words:
        """Whole words, behind a token of its own where there is one."""

        def __init__(self, before):
            self.before = before

        def __call__(self, text, return_offsets_mapping=False):
            ends = [*[n for n, letter in enumerate(text) if letter == " "], len(text)]
            starts = [0, *(end + 1 for end in ends[:-1])]
            ids = [sum(map(ord, text[start:end])) for start, end in zip(starts, ends, strict=True)]
            return {
                "input_ids": self.before + ids,
                "offset_mapping": [*((0, 0) for _ in self.before), *zip(starts, ends, strict=True)],
            }

    own = [{**TOLD, **worded}, {**TOLD, "subject": "Italy", "object": "Berlin"}]
    facts = told_facts(check_config({"mechanisms": {"facts": {"own": own}}}, "a test").mechanisms.facts.own)
    assert told_apart(Words([1]), facts)
    with pytest.raises(DataError, match="whose first token is its subject"):
        told_apart(Words([]), facts)


def test_no_fact_chooses_the_block_that_it_is_tested_at():
    """Recoveries that are noise alone: the largest mean of 12 blocks is above 0, and no fact is the better for it."""
    generator = np.random.default_rng(1)
    rows = [
        (f"f{n}", f"g{n}", part, layer, generator.normal(scale=1 if part == "mlp" else 0.01))
        for n in range(200)
        for part in ("mlp", "attention")
        for layer in range(12)
    ]
    table = pd.DataFrame(rows, columns=["id", "group", "part", "layer", "recovery"])
    table = table.assign(model=MODEL, clean=3.0, corrupt=-2.0)
    found = mlp_beyond_attention(MODEL)(Tables(fact_patches=table)).sample.values
    assert abs(found.mean()) < 3 * found.std() / np.sqrt(200)
    few = table[table["id"].isin(["f0", "f1", "f2", "f3", "f4", "f5"])]
    means = [
        mlp_beyond_attention(MODEL)(Tables(fact_patches=few.assign(recovery=generator.normal(size=len(few))))) for _ in range(40)
    ]
    assert abs(np.mean([one.sample.mean for one in means])) < 0.35, "the largest of 12 means of 6 is .66 above 0"


def test_a_fact_whose_runs_hardly_differ_decides_no_place_and_no_share():
    """Effects divided by almost 0: one fact in eight says twenty times its difference, in another block than all others."""
    known = pd.DataFrame(
        [
            (f"f{n}", f"g{n}", part, layer, 0.9 * (part == "mlp" and layer == BEST), 5.0)
            for n in range(7)
            for part in ("mlp", "attention")
            for layer in range(4)
        ],
        columns=["id", "group", "part", "layer", "recovery", "clean"],
    )
    hardly = known[known["id"] == "f0"].assign(id="odd", group="odd", clean=0.01)
    hardly["recovery"] = 20.0 * ((hardly["part"] == "mlp") & (hardly["layer"] != BEST))
    tables = Tables(fact_patches=pd.concat([known, hardly], ignore_index=True).assign(model=MODEL, corrupt=0.0))
    assert best_layer(tables, MODEL) == BEST
    assert mlp_beyond_attention(MODEL)(tables).sample.mean == pytest.approx(0.9, abs=0.01)
