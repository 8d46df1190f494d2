"""The highest scores of every ranking are those of a whole sort, equal scores in a fixed order, and none that is not above 0."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.errors import ConfigError, StoreError
from anatomy.interventions.pruning.ranking import TOGETHER, top_scores
from anatomy.interventions.pruning.scores import read_top, write_top

SHAPES = {"a": (6, 5), "b": (3, 8), "c": (1, 4)}


def scores_of(levels, seed):
    """Scores of few levels, so that many are equal; the lowest are 0 and below it."""
    draw = torch.Generator().manual_seed(seed)
    return {name: torch.randint(-2, levels, shape, generator=draw).float() for name, shape in SHAPES.items()}


def by_whole_sort(scores, fraction, ranking):
    if ranking == "global":
        every = torch.cat([scores[name].flatten() for name in SHAPES])
        chosen = torch.zeros(len(every), dtype=torch.bool)
        chosen[every.argsort(descending=True, stable=True)[: int(fraction * len(every))]] = True
        sizes = [rows * columns for rows, columns in SHAPES.values()]
        return {name: part.nonzero()[:, 0] for name, part in zip(SHAPES, chosen.split(sizes), strict=True)}
    found = {}
    for name, (rows, columns) in SHAPES.items():
        if ranking == "matrix":
            found[name] = scores[name].flatten().argsort(descending=True, stable=True)[: int(fraction * rows * columns)]
        else:
            order = scores[name].argsort(dim=1, descending=True, stable=True)[:, : int(fraction * columns)]
            found[name] = (order + torch.arange(rows)[:, None] * columns).flatten()
        found[name] = found[name].sort().values
    return found


@settings(max_examples=60, deadline=None)
@given(
    ranking=st.sampled_from(["matrix", "row", "global"]),
    most=st.sampled_from([0.1, 0.3, 0.7, 1.0]),
    share=st.sampled_from([0.0, 0.4, 1.0]),
    levels=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_masks_are_those_of_a_whole_sort(ranking, most, share, levels, seed):
    scores, asked = scores_of(levels, seed), []

    def made(name):
        asked.append(name)
        return scores[name]

    top = top_scores(made, SHAPES, most, ranking)
    assert len(asked) == (2 if ranking == "global" else 1) * len(SHAPES)
    naive = by_whole_sort(scores, most * share, ranking)
    above = {name: places[scores[name].flatten()[places] > 0] for name, places in naive.items()}
    assert all(torch.equal(places, above[name]) for name, places in top.top(most * share).items())
    lacking = {name: len(places) - len(above[name]) for name, places in naive.items()}
    lacking = {TOGETHER: sum(lacking.values())} if ranking == "global" else lacking
    assert top.lacking(most * share) == {name: count for name, count in lacking.items() if count}


@pytest.mark.parametrize("ranking", ["matrix", "row", "global"])
def test_scores_read_back_are_those_written(ranking, tmp_path):
    top = top_scores(scores_of(40, 1).__getitem__, SHAPES, 0.5, ranking)
    write_top(tmp_path / "x.safetensors", {"one.set": top}, {"model": "m", "answers": {"a": 3}})
    (name, found), *_ = read_top(tmp_path / "x.safetensors")[0].items()
    assert name == "one.set" and read_top(tmp_path / "x.safetensors")[1]["answers"] == {"a": 3}
    assert all(torch.equal(places, top.top(0.3)[name]) for name, places in found.top(0.3).items())
    (tmp_path / "x.safetensors").write_bytes(b"cut")
    with pytest.raises(StoreError, match="delete the file"):
        read_top(tmp_path / "x.safetensors")


@pytest.mark.parametrize("ranking", ["matrix", "row", "global"])
def test_the_first_so_many_are_the_best_and_then_drawn_among_those_that_are_free(ranking):
    scores, taken = scores_of(40, 3), {name: torch.arange(0, rows * columns, 3) for name, (rows, columns) in SHAPES.items()}
    scores["b"].zero_()
    top = top_scores(scores.__getitem__, SHAPES, 1.0, ranking)
    counts = {"a": 7, "b": 9, "c": 0}
    found, other = (top.first(counts, [taken], torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert {name: len(places) for name, places in found.items()} == counts and top.without_score(found) == {"b": 9}
    assert not any(torch.isin(places, taken[name]).any() for name, places in found.items())
    assert torch.equal(found["a"], other["a"]) and not torch.equal(found["b"], other["b"])
    assert found["b"].max() - found["b"].min() > 9, "not the first places of the matrix"
    most = {name: rows * columns - 2 for name, (rows, columns) in SHAPES.items()}
    whole = top.first(most, [taken], torch.Generator().manual_seed(0))
    assert {name: len(places.unique()) for name, places in whole.items()} == most, "what others have where too few are free"
    if ranking != "row":
        free = scores["a"].flatten().index_fill(0, taken["a"], -9)
        assert scores["a"].flatten()[found["a"]].min() >= free.sort(descending=True).values[6]


@pytest.mark.parametrize("fraction", [1.5, -0.1, float("nan")])
def test_what_is_no_fraction_is_refused(fraction):
    with pytest.raises(ConfigError, match="from 0 to 1"):
        top_scores(scores_of(5, 0).__getitem__, SHAPES, fraction, "matrix")
    with pytest.raises(ConfigError, match="from 0 to 1"):
        top_scores(scores_of(5, 0).__getitem__, SHAPES, 0.5, "matrix").top(fraction)


def test_a_fraction_above_what_was_kept_is_refused():
    with pytest.raises(ConfigError, match=r"at most 0\.5"):
        top_scores(scores_of(5, 0).__getitem__, SHAPES, 0.5, "matrix").top(0.6)
