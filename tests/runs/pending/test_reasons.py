"""Why a job would run, in words."""

from anatomy.runs.pending.jobs import PendingJob
from anatomy.runs.pending.reasons import differences, print_status, reasons

OLD, NEW = "0" * 16, "1" * 16
PARTS = {
    OLD: {
        "anatomy.interventions.edits.rank_one:row_mean": "a",
        "anatomy.interventions.edits.rank_one:*": "r",
        "package torch": "2.12.0",
    },
    NEW: {
        "anatomy.interventions.edits.rank_one:row_mean": "b",
        "anatomy.interventions.edits.rank_one:*": "r",
        "package torch": "2.13.0",
        "anatomy.interventions.edits.rank_one:scaled": "c",
    },
}


def job(**facts):
    return PendingJob("extract", {"model": "weak.s0"}, ("results/extract/weak.s0/card.json",), **facts)


def test_an_option_is_named_with_both_values():
    changed = job(
        before=({"extraction": {"prompts": 8, "harmful": "h"}, "results": "r"},),
        now=({"extraction": {"prompts": 16, "harmful": "h"}, "results": "r"},),
    )
    assert reasons(changed, {}, {}) == ["option extraction.prompts: 8 -> 16"]


def test_mappings_are_paired_by_their_keys():
    subject_old, subject_new = {"id": "a", "kind": "weak"}, {"id": "a", "kind": "aligned"}
    changed = job(before=(subject_old, {"rosi": {"shortlist": 2}}), now=({"rosi": {"shortlist": 3}}, subject_new))
    assert sorted(reasons(changed, {}, {})) == ["option kind: weak -> aligned", "option rosi.shortlist: 2 -> 3"]


def test_the_function_and_the_package_behind_a_fingerprint_are_named():
    told = reasons(job(before=(OLD,), now=(NEW,)), PARTS, {})
    assert told == [
        "code changed: anatomy.interventions.edits.rank_one:row_mean, anatomy.interventions.edits.rank_one:scaled (new); "
        "package changed: torch 2.12.0 -> 2.13.0"
    ]
    assert "not on record" in reasons(job(before=(OLD,), now=("2" * 16,)), PARTS, {})[0]


def test_fingerprints_in_lists_are_paired_in_order():
    told = reasons(job(before=([OLD, OLD],), now=([OLD, NEW],)), PARTS, {})
    assert len(told) == 1 and "row_mean" in told[0]


def test_every_other_reason_has_words():
    assert reasons(job(newer_inputs=("p.csv",)), {}, {}) == ["input changed: p.csv"]
    assert reasons(job(incomplete=("x",)), {}, {})[0].startswith("was interrupted")
    assert reasons(job(inputs_differ=True), {}, {})[0].startswith("is made from another set of files")
    assert reasons(job(missing=tuple("abcde")), {}, {}) == ["not there yet: a, b, c and 2 more"]
    assert reasons(job(waiting_for=("y", "z")), {}, {"z": "judge"}) == ["follows from judge, y"]
    assert reasons(job(), {}, {}) == ["asked for"]


def test_differences_name_added_and_removed_leaves():
    assert differences({"a": {"b": 1, "c": [1]}}, {"a": {"c": [1, 2], "d": 0}}) == [
        "a.b: 1 -> absent",
        "a.c: [1] -> [1, 2]",
        "a.d: absent -> 0",
    ]


def test_status_tells_a_reason_once_a_rule(capsys):
    print_status([job(missing=("a",)), job(missing=("b",))], {})
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["2 jobs to run", "extract: 2", "    not there yet  (2 jobs)"]
    print_status([], {})
    assert "Nothing to do" in capsys.readouterr().out
