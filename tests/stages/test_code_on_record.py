"""What a job's code is made of is on record, so that status names the function that changed."""

from pathlib import Path

import pytest
from quick_run import ROOT

from anatomy.recipes.registry import built_in, known, recipe
from anatomy.runs.pending.reasons import code_reason
from anatomy.stages.fingerprints import code_of, keep_code_parts, stage_fingerprint, stages
from anatomy.store import code_parts, fingerprint
from anatomy.store.code_parts import kept_parts

TOY = ROOT / "tests" / "toy_paper" / "toy"


def read_again():
    """A process reads a module once; another one would read what stands there now."""
    fingerprint._read.cache_clear()
    code_parts.parts_of.cache_clear()


def test_everything_that_papers_ask_and_run_is_on_record(tmp_path):
    papers = known([*built_in(), str(TOY)]).values()
    own = ["anatomy.recipes.toy.maker"]
    keep_code_parts(tmp_path, own, [asking for paper in papers for asking in paper.asking])
    kept = kept_parts(tmp_path)
    assert {stage_fingerprint(name) for name in [*stages(), *own]} <= set(kept)
    for paper in papers:
        for asking in [*paper.engine.values(), paper.in_memory, paper.speaking]:
            assert asking is None or code_of(asking) in kept, (paper.name, asking)


@pytest.mark.parametrize(
    ("module", "changed", "to", "told"),
    [
        ("recipe", 'family="pruned"', 'family="cut"', "anatomy.recipes.asked.recipe:on_test"),
        ("maker", "score.topk", "(-score).topk", "anatomy.recipes.asked.maker:prune"),
    ],
)
def test_a_changed_function_that_asks_or_makes_is_named(tmp_path, module, changed, to, told):
    folder = tmp_path / "asked"
    folder.mkdir()
    for file in TOY.glob("*.*"):
        text = file.read_text(encoding="utf-8").replace("recipes.toy", "recipes.asked").replace('name="toy"', 'name="asked"')
        (folder / file.name).write_text(text, encoding="utf-8")
    paper, store, makers = recipe(str(folder)), tmp_path / "store", ["anatomy.recipes.asked.maker"]
    read_again()

    def code():
        return code_of(paper.engine["test"]) if module == "recipe" else stage_fingerprint(makers[0])

    before = code()
    keep_code_parts(store, makers, paper.asking)
    file = folder / f"{module}.py"
    file.write_text(file.read_text(encoding="utf-8").replace(changed, to), encoding="utf-8")
    read_again()
    after = code()
    keep_code_parts(store, makers, paper.asking)
    assert before != after
    assert code_reason(before, after, kept_parts(Path(store))) == f"code changed: {told}"
