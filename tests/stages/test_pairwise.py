"""Edited texts against unedited ones through a real engine, and what of it stands among the measures of texts."""

import pandas as pd
import pytest
from pasta_study import SMALL, pasta_config
from pydantic import ValidationError
from scripted_judge import make_scripted_judge
from shared_engine import close_shared_engine

from anatomy.config.study import Subject
from anatomy.recipes.configuration import Config
from anatomy.recipes.pasta.stages.measures_table import measures_table
from anatomy.recipes.pasta.stages.pairwise import compare, compared, first_items, pairwise_summary
from anatomy.texts.judges.model_judges.pairwise import RUBRICS
from anatomy.texts.judges.pairwise import FAILED, LEFT, PAIR_KEYS, RIGHT, SPLIT

SUBJECT = Subject("tuned", "aligned", None, None, ("plain",), False, "float32")
SLUGS = {
    "base": "base",
    "pasta@words~01": "pasta@words",
    "operating~02": "operating",
    "orthogonal-0~03": "orthogonal-0",
    "orthogonal-1~04": "orthogonal-1",
    "scale-0~05": "scale-0",
}
VARIANTS = pd.DataFrame({"variant": SLUGS.keys(), "slug": SLUGS.values()})
SAMPLED = {"confidence": 0.95, "seed": 0, "resamples": 100}
LONG = "The river runs past the mill at the end of the garden, where people stand and write short notes number {n} for {slug}."


def completions(emptied=()):
    return pd.DataFrame(
        [
            {
                "model": "tuned",
                "variant": variant,
                "phase": "test",
                "set": "prefixes",
                "id": f"{domain}/{n}",
                "sample": 0,
                "group": f"{domain}{n}",
                "category": domain,
                "prompt": f"A note about {domain} {n}:",
                "response": "" if (variant, n) in emptied else LONG.format(n=n * 3, slug=variant),
            }
            for variant in SLUGS
            for domain in ("essays", "news")
            for n in range(3)
        ]
    )


def config(folder, **pairwise):
    judge = {"judge": str(folder), "dtype": "float32", **pairwise}
    return Config.model_validate({"pasta": {**SMALL, "pairwise": judge}})


@pytest.mark.engine
def test_a_real_judge_compares_the_picks_and_a_control_and_counts_what_it_cannot_read(tmp_path):
    folder = make_scripted_judge(tmp_path / "judge", "pairwise")
    close_shared_engine()
    said = []
    options = config(folder, items=4, max_model_len=1400)
    found = compare(options, SUBJECT, completions(emptied=[("operating~02", 0)]), VARIANTS, None, said.append)
    assert set(found["left"]) == {"pasta@words~01", "operating~02", "orthogonal-0~03"} and set(found["right"]) == {"base"}
    assert found.groupby(["left", "rubric"]).size().to_dict() == {
        (left, rubric): 2 if left.startswith("operating") else 4 for left in found["left"].unique() for rubric in RUBRICS
    }
    assert found.groupby("category")["id"].nunique().to_dict() == {"essays": 2, "news": 2}
    assert set(found["verdict"]) <= {LEFT, RIGHT, SPLIT, "tie", FAILED} and "unparsed" in said[-1]
    assert found.loc[found["verdict"] != FAILED, "score"].between(0, 1).all()


def verdicts(rows):
    values = {
        "model": "tuned",
        "phase": "test",
        "set": "prefixes",
        "sample": 0,
        "category": "essays",
        "left": "pasta@words~01",
        "right": "base",
        "score": 0.5,
    }
    return pd.DataFrame(
        [
            {**values, "id": f"i{n}", "group": f"g{n}", "rubric": rubric, "verdict": verdict}
            for rubric, given in rows.items()
            for n, verdict in enumerate(given)
        ]
    )


def test_verdicts_become_measures_of_the_edited_variant():
    found = verdicts({"relevance": [LEFT, LEFT, RIGHT, SPLIT], "fluency": [RIGHT, FAILED, FAILED, "tie"]})
    summary = pairwise_summary(found, **SAMPLED)
    whole = summary[summary["category"] == "all"].set_index("measure")
    assert whole["estimate"].to_dict() == {
        "relevance_win": 2.5 / 4,
        "fluency_win": 0.25,
        "position_bias": 1 / 6,
        "unparsed": 2 / 8,
    }
    assert whole["n"].to_dict() == {"relevance_win": 4, "fluency_win": 2, "position_bias": 6, "unparsed": 8}
    assert whole["excluded"].to_dict() == {"relevance_win": 0, "fluency_win": 2, "position_bias": 2, "unparsed": 0}
    variants = pd.DataFrame(
        [{"variant": "pasta@words~01", "slug": "pasta@words", "role": "pick", "family": "pasta", "control": ""}]
    )
    table = measures_table("tuned", {"quality": summary}, variants)
    assert len(table) == 8 and set(table["domain"]) == {"all", "essays"} and set(table["variant"]) == {"pasta@words~01"}


def test_a_judge_that_is_never_understood_gives_no_number():
    summary = pairwise_summary(verdicts({"relevance": [FAILED] * 3, "fluency": [FAILED] * 3}), **SAMPLED)
    whole = summary[summary["category"] == "all"].set_index("measure")
    assert whole.loc[["relevance_win", "fluency_win", "position_bias"], "estimate"].isna().all()
    assert whole.loc["unparsed", "estimate"] == 1


def test_items_are_taken_from_every_domain_and_degenerate_variants_are_left_out(tmp_path):
    texts = completions().assign(degenerate="")
    assert set(first_items(texts, 3)["id"]) == {"essays/0", "news/0", "essays/1"}
    texts.loc[texts["variant"] == "operating~02", "degenerate"] = "short"
    assert compared(texts, VARIANTS) == ["orthogonal-0~03", "pasta@words~01"]
    unedited = completions()[lambda rows: rows["variant"] == "base"]
    nothing = compare(config(tmp_path), SUBJECT, unedited, VARIANTS, None, print)
    assert nothing.empty and set(PAIR_KEYS) < set(nothing.columns)


def test_a_model_does_not_judge_its_own_texts(tmp_path):
    folders = {"plain": tmp_path / "plain", "tuned": tmp_path / "tuned"}
    for judge in folders:
        with pytest.raises(ValidationError, match="judge its own texts"):
            pasta_config(tmp_path, folders, pairwise={"judge": judge})
    assert pasta_config(tmp_path, folders, pairwise={"judge": "elsewhere"}).pasta.pairwise.items == 50
