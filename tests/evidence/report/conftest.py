"""A page made from synthetic tables, and a browser to open it in."""

import os
from pathlib import Path

import pandas as pd
import pytest
from synthetic_tables import SETS, make_tables

from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures import dose_response, headline, layer_shift, projection_histogram, selection_map
from anatomy.evidence.figures.rates import refusal_rates
from anatomy.evidence.figures.save import save_figure
from anatomy.evidence.report.content import PageCompletions, PageTable, Section, read_figure
from anatomy.evidence.report.exchanges import pair_completions
from anatomy.evidence.report.page import build_report
from anatomy.recipes.rosi.claims import Benchmark, Setting, amplification_claims
from anatomy.recipes.rosi.direction_claims import direction_claims
from anatomy.recipes.rosi.planted_claims import planted_claims

BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AFTER = "row_mean~0000beef"
OPTIONS = {"confidence": 0.95, "seed": 0, "resamples": 200}
SETTING = Setting(
    harmful="harmful_requests",
    jailbreaks=("jailbreak_requests",),
    benign="benign_requests",
    lookalikes=("lookalike_requests",),
    benchmarks=(Benchmark("mmlu", "acc", 0.25), Benchmark("at_chance", "acc", 0.25)),
    judge="rules",
    second_judge=None,
    phase="test",
    benign_margin=0.1,
    benchmark_margin=0.1,
    min_controls=9,
    control_level=0.1,
    large_effect=0.2,
    separation=0.8,
)


@pytest.fixture(scope="session")
def tables() -> Tables:
    return make_tables(models=("base", "weak", "placebo"), controls=9, items=60)


@pytest.fixture(scope="session")
def ledger(tables) -> pd.DataFrame:
    claims = []
    for subject in ("weak", "base", "placebo"):
        claims += amplification_claims(subject, "row_mean", SETTING) + direction_claims(subject, "plain", SETTING)
        claims += planted_claims(subject, "row_mean", SETTING, dependence=0.25, abolished=0.1, recognition=None, recognised=0.9)
    return evaluate_ledger(claims, tables, seed=0, resampling=Resampling(**OPTIONS))


@pytest.fixture(scope="session")
def sections(tables, tmp_path_factory) -> list[Section]:
    folder = tmp_path_factory.mktemp("figures")
    rates = refusal_rates(tables.judgements, tables.variants, judge="rules", phase="test", **OPTIONS)
    charts = {
        "map": selection_map.draw(tables.grid, "weak", "plain"),
        "dose": dose_response.draw(tables.screen, "weak"),
        "headline": headline.draw(rates, ["weak", "placebo"], list(SETS), ["row_mean"]),
        "histogram": projection_histogram.draw(tables.projections, "weak", 3, "base", AFTER, "row_mean"),
        "shift": layer_shift.draw(layer_shift.shifts(tables.projections, "weak", "base", AFTER, **OPTIONS)),
    }
    for name, chart in charts.items():
        save_figure(chart, folder, name)
    figures = [read_figure(folder, name, name.capitalize(), "A caption with <tags> & signs.") for name in charts]
    shown = rates[rates["role"] != "control"].drop(columns=["control", "form"])
    exchanges = pair_completions(
        tables.completions,
        tables.judgements,
        model="weak",
        prompts="harmful_requests",
        variants=["base", AFTER],
        judge="rules",
        phase="test",
        show_all=True,
        limit=6,
    )
    return [
        Section("figures", "Figures", "What the charts show.", figures),
        Section("tables", "Tables", "", [PageTable("Refusal rates", "With intervals.", shown)]),
        Section(
            "answers",
            "Completions",
            "Before and after.",
            [PageCompletions("weak, harmful requests", "", ["unedited", "ROSI"], exchanges)],
        ),
    ]


@pytest.fixture(scope="session")
def page(ledger, sections, tmp_path_factory) -> Path:
    manifest = {
        "models": [{"id": name, "revision": "none", "digest": "0f" * 16} for name in ("weak", "base")],
        "versions": {"python": "3.11", "torch": "x.y"},
        "hardware": {"cores": 2, "accelerator": None},
    }
    return build_report(
        title="Anatomy of <alignment>",
        summary="A synthetic run & its report.",
        ledger=ledger,
        sections=sections,
        manifest=manifest,
        out_path=tmp_path_factory.mktemp("page") / "report.html",
    )


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; tests that need it skip where there is none."""
    program = next((path for path in BROWSERS if os.path.exists(path)), None)
    if program is None:
        pytest.skip(f"no browser at any of {', '.join(BROWSERS)}")
    api = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()
