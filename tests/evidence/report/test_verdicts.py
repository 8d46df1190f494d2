"""The ledger arranged for the page."""

import pytest

from anatomy.evidence.report.verdicts import beside_their_seeds


@pytest.mark.parametrize(
    ("subjects", "arranged"),
    [
        (
            ["aligned.s10", "aligned.s2", "base.s10", "weak.s2", "base.s2"],
            ["aligned.s2", "aligned.s10", "base.s2", "base.s10", "weak.s2"],
        ),
        (["qwen", "aligned.s1", "smol", "aligned.s0"], ["qwen", "aligned.s0", "aligned.s1", "smol"]),
        (["v1.s", "v1", "v1.s0"], ["v1.s", "v1", "v1.s0"]),
        ([], []),
    ],
)
def test_seeds_of_a_member_stand_beside_each_other_in_ascending_order(subjects, arranged):
    assert beside_their_seeds(subjects) == arranged
