"""Why a job would run, in words a person can act on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from anatomy.runs.pending.jobs import PendingJob

SHOWN = 3
"""Most names listed before the rest is counted."""


def reasons(job: PendingJob, parts: Mapping[str, Mapping[str, str]], makers: Mapping[str, str]) -> list[str]:
    """Every reason that holds, the most telling first.

    Args:
        parts: what each known code fingerprint is made of (``anatomy.store.code_parts``).
        makers: the rule behind each file that a pending job makes.
    """
    found = []
    if job.incomplete:
        found.append(f"was interrupted while making {listed(job.incomplete)}")
    found += parameter_reasons(job.before, job.now, parts)
    if job.inputs_differ:
        found.append("is made from another set of files than last time")
    if job.newer_inputs:
        found.append(f"input changed: {listed(job.newer_inputs)}")
    if job.missing:
        found.append(f"not there yet: {listed(job.missing)}")
    if job.waiting_for and not found:
        found.append(f"follows from {listed(tuple(sorted({makers.get(file, file) for file in job.waiting_for})))}")
    return found or ["asked for"]


def parameter_reasons(before: tuple[Any, ...], now: tuple[Any, ...], parts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What differs between the parameters of two runs: options by name, code by function, packages by version.

    Snakemake keeps parameters without their names, so old and new are paired by kind: mappings that share most keys, and
    fingerprints (strings or lists of them) in order.
    """
    found = []
    old_maps, new_maps = [[value for value in side if isinstance(value, dict)] for side in (before, now)]
    for old in old_maps:
        new = max(new_maps, key=lambda candidate: len(set(candidate) & set(old)), default=None)
        if new is not None:
            new_maps.remove(new)
            found += [f"option {line}" for line in differences(old, new)]
    old_codes, new_codes = [[code for value in side for code in fingerprints(value)] for side in (before, now)]
    for old_code, new_code in zip(old_codes, new_codes, strict=False):
        if old_code != new_code:
            found.append(code_reason(old_code, new_code, parts))
    if not found and (before or now):
        found.append(f"a parameter changed: {listed(tuple(map(str, before)))} is now {listed(tuple(map(str, now)))}")
    return found


def fingerprints(value: Any) -> list[str]:
    """The code fingerprints in a parameter: 16 hexadecimal digits, alone or listed."""
    listing = value if isinstance(value, (list, tuple)) else [value]
    return [one for one in listing if isinstance(one, str) and len(one) == 16 and set(one) <= set("0123456789abcdef")]


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Leaves that differ, as ``a.b: old -> new``; lists count as leaves."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for key in sorted({*old, *new}, key=str)
            for line in differences(old.get(key, "absent"), new.get(key, "absent"), f"{path}.{key}" if path else str(key))
        ]
    return [] if old == new else [f"{path}: {short(old)} -> {short(new)}"]


def code_reason(old: str, new: str, parts: Mapping[str, Mapping[str, str]]) -> str:
    """Which functions and which packages differ between two fingerprints, as far as both are known."""
    if old not in parts or new not in parts:
        return f"code changed ({old} -> {new}; what it was made of is not on record)"
    before, after = parts[old], parts[new]
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    packages = [
        f"{name.removeprefix('package ')} {before.get(name, 'absent')} -> {after.get(name, 'absent')}"
        for name in changed
        if name.startswith("package ")
    ]
    code = [
        name + ("" if name in before and name in after else " (new)" if name in after else " (gone)")
        for name in changed
        if not name.startswith("package ")
    ]
    told = {"code changed": code, "package changed": packages}
    words = [f"{what}: {listed(tuple(names))}" for what, names in told.items() if names]
    return "; ".join(words) or "code changed in layout only"


def listed(names: tuple[str, ...]) -> str:
    """A few names, and how many more."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def short(value: Any) -> str:
    """A value on one line."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def print_status(jobs: list[PendingJob], parts: Mapping[str, Mapping[str, str]]) -> None:
    """Jobs by rule with their reasons; equal reasons of a rule are told once, with a count."""
    work = [job for job in jobs if job.outputs]
    if not work:
        print("Nothing to do: everything asked for is there and up to date.")
        return
    by_rule: dict[str, list[PendingJob]] = {}
    for job in work:
        by_rule.setdefault(job.rule, []).append(job)
    print(f"{len(work)} jobs to run")
    makers = {file: job.rule for job in work for file in job.outputs}
    for rule, members in by_rule.items():
        print(f"{rule}: {len(members)}")
        # Names of missing outputs differ from job to job: told once, without them.
        told = Counter(
            "not there yet" if reason.startswith("not there yet") else reason
            for job in members
            for reason in reasons(job, parts, makers)
        )
        for reason, count in told.most_common():
            print(f"    {reason}" + (f"  ({count} jobs)" if count > 1 else ""))
