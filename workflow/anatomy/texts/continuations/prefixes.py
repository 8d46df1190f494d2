"""Human documents cut into a prefix, which models continue, and the human continuation, which is held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.errors import DataError
from anatomy.sources.prompts.audit import find_near_duplicates, merge_groups
from anatomy.sources.prompts.cells import cell_text
from anatomy.sources.prompts.formats import read_rows
from anatomy.sources.prompts.split import assign_splits, check_splits, hash_fraction

PREFIX_COLUMNS = ("id", "prompt", "response", "label", "category", "source", "group", "pair", "split")


@dataclass(frozen=True)
class PrefixDomain:
    """A kind of document.

    Attributes:
        name: the domain, the table's category.
        dataset: its name in ``config/datasets.yaml``.
        prefix_tokens: length of its prefixes; the cut falls on the last whole word within it.
        count: prefixes wanted.
    """

    name: str
    dataset: str
    prefix_tokens: int
    count: int


PUBLISHED_DOMAINS = (
    PrefixDomain("essays", "pasta_essays", 99, 100),
    PrefixDomain("fiction", "pasta_fiction", 99, 100),
    PrefixDomain("news", "pasta_news", 74, 100),
    PrefixDomain("opinion", "pasta_opinion", 99, 100),
    PrefixDomain("science", "pasta_science", 79, 100),
)
"""The five domains of PASTA (arXiv 2605.30526, released records): lengths are means seen there, in tokens of cl100k. Which rows
it took is not known, so rows are ours."""


def read_documents(path: Path, text: str, group: str | None = None) -> pd.DataFrame:
    """Documents of a CSV, TSV, JSONL, JSON or Parquet file.

    Args:
        text: column that holds the document.
        group: column of what documents belong together (an author, a thread); None: each is its own.

    Returns:
        Columns `id, text, group`; rows without a text are left out.

    Raises:
        DataError: an unreadable file, or a column that it lacks.
    """
    rows = read_rows(Path(path))
    present = {name for _, row in rows for name in row}
    if absent := sorted({text, group or text} - present):
        raise DataError(
            found=f"columns {sorted(present)}",
            expected=f"also {absent}",
            where=str(path),
            remedy="name the column that holds the documents",
        )
    found = []
    for number, (place, row) in enumerate(rows):
        if isinstance(row.get(text), str) and row[text].strip():
            where = f"{path}, {place}"
            name = cell_text(row.get("id"), "id", where)
            name = str(number) if name is None else name
            tied = cell_text(row.get(group), "group", where) if group else None
            found.append({"id": name, "text": row[text], "group": name if tied is None else tied})
    return pd.DataFrame(found, columns=["id", "text", "group"]).astype("str")


def cut_document(text: str, tokenizer: Any, prefix_tokens: int) -> tuple[str, str] | None:
    """A document's prefix and the rest, which begins with the space between them.

    Args:
        tokenizer: a fast tokenizer of transformers: its offsets say where tokens end.
        prefix_tokens: most tokens of the prefix; the cut falls before the word that the limit would part.

    Returns:
        None where the document is too short to be cut, or where no word ends in the second half of the prefix.
    """
    text = text.strip()
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if len(offsets) <= prefix_tokens:
        return None
    end = offsets[prefix_tokens - 1][1]
    while end > 0 and not text[end].isspace():
        end -= 1
    prefix = text[:end].rstrip()
    if end < offsets[prefix_tokens // 2][1] or not prefix:
        return None
    return prefix, text[len(prefix) :]


def cut_prefixes(
    documents: pd.DataFrame, domain: PrefixDomain, tokenizer: Any, *, continuation_tokens: int, seed: int
) -> pd.DataFrame:
    """Prefixes of one domain, one a group, in the order of the groups' hashes.

    Args:
        documents: columns `id, text, group`.
        continuation_tokens: tokens that a document must have after its prefix; the continuation is not cut to them.
        seed: of the hashes; which documents are taken does not depend on the order of rows.

    Returns:
        Columns `id, prompt, response, label, category, source, group, pair`.

    Raises:
        DataError: fewer documents are long enough than the domain wants.
    """
    # A name of its own: the split hashes the groups, and taking the lowest of the same hashes would leave the later splits empty.
    order = sorted(
        documents.itertuples(),
        key=lambda row: (hash_fraction(seed, f"document of {domain.name}: {row.group}"), row.group, row.id),
    )
    rows, taken = [], set()
    for row in order:
        cut = None if row.group in taken else cut_document(row.text, tokenizer, domain.prefix_tokens)
        if cut is None or len(tokenizer(cut[1], add_special_tokens=False)["input_ids"]) < continuation_tokens:
            continue
        taken.add(row.group)
        rows.append(
            {
                "id": f"{domain.name}/{row.id}",
                "prompt": cut[0],
                "response": cut[1],
                "label": "benign",
                "category": domain.name,
                "source": domain.dataset,
                "group": f"{domain.name}/{row.group}",
                "pair": "",
            }
        )
        if len(rows) == domain.count:
            return pd.DataFrame(rows).astype("str")
    raise DataError(
        found=f"{len(rows)} documents long enough, of {len(documents)}",
        expected=f"{domain.count} with {domain.prefix_tokens} tokens and {continuation_tokens} more",
        where=f"domain {domain.name!r}",
        remedy="give more documents, or ask for fewer or shorter prefixes",
    )


def prefix_corpus(
    documents: Mapping[str, pd.DataFrame],
    domains: Sequence[PrefixDomain],
    tokenizer: Any,
    *,
    continuation_tokens: int,
    shares: Mapping[str, float],
    seed: int,
    near_duplicate: float,
    minimum: int,
) -> pd.DataFrame:
    """The prefix corpus of several domains, split by group, as a prompt table.

    PASTA's released training ids overlap its test ids; here no group, nor prefixes alike beyond ``near_duplicate``, are on two
    sides, and the split is made in each domain.

    Args:
        documents: for each domain's name a table `id, text, group`.
        shares: of the groups, for fit, select, test.
        near_duplicate: Jaccard similarity of character 5-grams from which prefixes share a group.
        minimum: prefixes that each domain must have in each split with a share.

    Raises:
        DataError: a domain without documents or with too few prefixes, or splits that overlap.
    """
    if absent := sorted({domain.name for domain in domains} - set(documents)):
        raise DataError(
            found=f"documents for {sorted(documents)}",
            expected=f"also for {absent}",
            where="the prefix corpus",
            remedy="give a file for each domain, or leave the domain out",
        )
    table = pd.concat(
        [
            cut_prefixes(documents[domain.name], domain, tokenizer, continuation_tokens=continuation_tokens, seed=seed)
            for domain in domains
        ],
        ignore_index=True,
    )
    table = assign_splits(merge_groups(table, find_near_duplicates(table, near_duplicate)), shares, seed)
    check_splits(table, minimum=0)
    check_domains(table, {split: minimum for split, share in shares.items() if share > 0})
    return table[list(PREFIX_COLUMNS)].sort_values(["split", "id"], ignore_index=True)


def check_domains(table: pd.DataFrame, minimum: Mapping[str, int]) -> None:
    """Refuse a prefix table in which a domain has fewer rows in a split than that split's minimum.

    Raises:
        DataError: naming the domain and the split.
    """
    sizes = table.groupby(["category", "split"]).size()
    for domain in sorted(table["category"].unique()):
        for split, least in minimum.items():
            if (size := int(sizes.get((domain, split), 0))) < least:
                raise DataError(
                    found=f"{size} prefixes",
                    expected=f"at least {least}",
                    where=f"domain {domain!r}, split {split!r}",
                    remedy="add documents, or leave the domain out",
                )
