"""Figures on disk."""

import altair as alt
import pandas as pd
import pytest

from anatomy.errors import DataError, StoreError
from anatomy.evidence.figures.save import save_figure
from anatomy.evidence.figures.theme import colour_scale, themed

DATA = pd.DataFrame({"x": [1, 2], "y": [3, 5]})


def chart(data=DATA) -> alt.TopLevelMixin:
    return themed(alt.Chart(data).mark_point().encode(x="x:Q", y="y:Q"))


def test_the_data_beside_a_figure_is_the_figures_data(tmp_path):
    save_figure(chart(), tmp_path, "points")
    assert pd.read_csv(tmp_path / "points.csv").equals(DATA)
    assert not list(tmp_path.glob(".*"))


def test_saving_twice_gives_the_same_vector_graphics(tmp_path):
    first = save_figure(chart(), tmp_path, "points")[0].read_text()
    assert save_figure(chart(), tmp_path, "points")[0].read_text() == first


@pytest.mark.parametrize("name", ["", "a/b", ".hidden"])
def test_names_are_plain(tmp_path, name):
    with pytest.raises(DataError, match="plain file name"):
        save_figure(chart(), tmp_path, name)


def test_data_from_elsewhere_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"example\.org"):
        save_figure(chart("https://example.org/data.csv"), tmp_path, "points")


def test_an_unwritable_folder_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((StoreError, FileExistsError, NotADirectoryError)):
        save_figure(chart(), tmp_path / "file", "points")


def test_known_things_keep_their_colour_and_unknown_ones_differ():
    scale = colour_scale(["base", "new", "row_mean", "newer"]).to_dict()
    assert scale["range"][0] == "#7b8794" and scale["range"][2] == "#0072b2"
    assert len(set(scale["range"])) == 4
