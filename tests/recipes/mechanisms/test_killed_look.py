"""Patching that is killed goes on with the pair that it was at, to the same table."""

import pytest
from pandas.testing import assert_frame_equal

from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms.stages import looking
from anatomy.stages.finished_parts import FinishedParts, computed

TOKENS = [3, 5]


def test_killed_patching_goes_on_with_the_pair_that_it_was_at(tiny, tmp_path, monkeypatch):
    config, patched_pairs, really = check_config({}, "a test"), [], looking.patch_pair
    pairs = [PairedPrompts(f"h{n}", f"b{n}", f"g{n}", (1, 2, 9 + n, 4), (1, 2, 20 + n, 4)) for n in range(3)]

    def killed_at(last):
        def patch(loaded, pair, *rest):
            if pair.id == last:
                raise KeyboardInterrupt
            patched_pairs.append(pair.id)
            return really(loaded, pair, *rest)

        return patch

    def run(pairs=pairs, tokens=TOKENS):
        patched_pairs.clear()
        finished = FinishedParts(tmp_path, computed(config, tiny, looking.__name__, looking.PINS))
        return looking.patched(config, tiny, pairs, tokens, finished)

    monkeypatch.setattr(looking, "patch_pair", killed_at("h2"))
    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.setattr(looking, "patch_pair", killed_at(None))
    resumed = run()
    assert set(patched_pairs) == {"h2"}
    nothing = FinishedParts(None, "")
    assert_frame_equal(resumed, looking.patched(config, tiny, pairs, TOKENS, nothing))
    run(tokens=[3])
    assert set(patched_pairs) == {"h0", "h1", "h2"}, "of other tokens nothing is taken"
