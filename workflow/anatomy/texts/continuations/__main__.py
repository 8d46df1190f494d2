"""Make PASTA's prefix corpus of documents of your own copy, for models of your own.

    python3 envs/bootstrap.py python -m anatomy.texts.continuations --tokenizer my-model \\
        --documents essays=essays.jsonl news=news.csv:article --out data/pasta_prefixes.parquet

A domain of the paper has the number and length of its prefixes; any other those of the essays, unless --count and --prefix-tokens
say otherwise. Name the table in the configuration: prompt_sets: {prefixes: {file: data/pasta_prefixes.parquet}}.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd

from anatomy.errors import AnatomyError, ConfigError, DataError
from anatomy.models.tokenizer import load_tokenizer
from anatomy.progress.terminal import let_output_go
from anatomy.sources.prompts.table import SPLITS
from anatomy.store.files import write_table
from anatomy.texts.continuations.prefixes import PUBLISHED_DOMAINS, PrefixDomain, prefix_corpus, read_documents


def read_domains(arguments: list[str], text: str, group: str | None) -> dict[str, pd.DataFrame]:
    """Documents of each domain from ``name=file`` or ``name=file:column``.

    Raises:
        ConfigError: an argument of another form, or a domain twice.
        DataError: see ``read_documents``.
    """
    found = {}
    for argument in arguments:
        name, _, place = argument.partition("=")
        if not name or not place or name in found:
            raise ConfigError(
                found=repr(argument), expected="domain=file or domain=file:column, each domain once", where="--documents"
            )
        file, _, column = place.rpartition(":") if not Path(place).exists() and ":" in place else (place, "", text)
        if not Path(file).is_file():
            raise DataError(found="no such file", expected="documents as CSV, TSV, JSONL, JSON or Parquet", where=file)
        found[name] = read_documents(Path(file), column, group)
    return found


def domain_of(name: str, count: int | None, prefix_tokens: int | None) -> PrefixDomain:
    """The paper's domain of this name, or one with the number and length of prefixes of its essays; arguments win over both."""
    known = {domain.name: domain for domain in PUBLISHED_DOMAINS}
    domain = known.get(name) or replace(PUBLISHED_DOMAINS[0], name=name, dataset=name)
    return replace(domain, count=count or domain.count, prefix_tokens=prefix_tokens or domain.prefix_tokens)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m anatomy.texts.continuations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", nargs="+", required=True, metavar="DOMAIN=FILE[:COLUMN]", help="one file a domain")
    parser.add_argument(
        "--tokenizer",
        required=True,
        type=Path,
        help="folder of a model, whose tokens count lengths; the paper's are in tokens of cl100k",
    )
    parser.add_argument("--out", required=True, type=Path, help="Parquet file to write")
    parser.add_argument("--text", default="text", help="column of the documents, where no other is named (default: text)")
    parser.add_argument("--group", help="column of what belongs together, such as an author: never on two sides of a split")
    parser.add_argument("--count", type=int, help="prefixes a domain (default: the paper's 100)")
    parser.add_argument("--prefix-tokens", type=int, help="most tokens of a prefix (default: the paper's mean of the domain)")
    parser.add_argument(
        "--continuation-tokens", type=int, default=400, help="tokens that must follow (default: 400, the paper's longest answer)"
    )
    parser.add_argument(
        "--shares",
        nargs=3,
        type=float,
        default=(0.5, 0.1, 0.4),
        metavar=("FIT", "SELECT", "TEST"),
        help="shares of the groups (default: 0.5 0.1 0.4)",
    )
    parser.add_argument("--minimum", type=int, default=2, help="prefixes of a domain in each split at least (default: 2)")
    parser.add_argument(
        "--near-duplicate", type=float, default=0.8, help="overlap from which prefixes are one group (default: 0.8)"
    )
    parser.add_argument("--seed", type=int, default=0, help="which documents are taken, and their splits (default: 0)")
    options = parser.parse_args(arguments)
    try:
        documents = read_domains(options.documents, options.text, options.group)
        domains = [domain_of(name, options.count, options.prefix_tokens) for name in documents]
        table = prefix_corpus(
            documents,
            domains,
            load_tokenizer(options.tokenizer),
            seed=options.seed,
            minimum=options.minimum,
            continuation_tokens=options.continuation_tokens,
            near_duplicate=options.near_duplicate,
            shares=dict(zip(SPLITS, options.shares, strict=True)),
        )
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_table(options.out, table)
    except AnatomyError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(table)} prefixes in {options.out}\n{table.groupby(['category', 'split']).size().unstack(fill_value=0)}")
    return 0


if __name__ == "__main__":
    let_output_go()
    sys.exit(main(sys.argv[1:]))
