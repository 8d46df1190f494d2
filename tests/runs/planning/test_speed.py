"""The cost model against a run: a small study of a real model of 135 million parameters in float32, on one core."""

from pathlib import Path

import pytest
import yaml
from published_sizes import LLAMA_8B, QWEN_0_5B, SMOL_135M

from anatomy.config.resources import Resources
from anatomy.costs.job_kinds import SHARED
from anatomy.costs.stage_work import StageWork
from anatomy.models.machine.rate import BlockShape, Rate, Rates
from anatomy.recipes.configuration import check_config
from anatomy.runs.planning.jobs import Work, alone
from anatomy.runs.planning.plan_text import ERROR
from anatomy.runs.planning.sizes import organism_size
from anatomy.runs.planning.speed import OTHER_SECONDS, JobWork, Speed, Took
from anatomy.runs.planning.stage_seconds import block_shape, stage_seconds, tables
from anatomy.runs.planning.training_work import training_tokens
from anatomy.sources.registry.catalogue import load_catalogue

MEASURED = Rates(Rate(92.2e9, 1 / 3.78e9, 2 / 83.4e9), Rate(193.9e9, 1 / 6.08e9, 2 / 168.9e9))
"""Of an AMD Zen 5 core in float32, as ``anatomy.models.machine.rate`` measured it before the run."""

RECORDED = [
    ("extract", [StageWork("extract", "", 2058, 0)], 11.0),
    (
        "localize",
        [StageWork("localize", "", 85530, 1792, 56, 0, 4176, "transformers", 4), StageWork("screen", "", 7545, 0, 0, 0, 176)],
        224.7,
    ),
    ("evaluate", [StageWork("select", "", 13922, 5376, 168, 64, 64, "vllm", 7)], 48.8),
    ("evaluate", [StageWork("test", "", 27844, 10752, 336, 128, 128, "vllm", 7)], 61.8),
    ("measure", [StageWork("measure", "", 11317, 8448, 264, 0, 0, "vllm", 7), StageWork("project", "", 8231, 0)], 82.7),
]
"""Rule, work as it was planned, and the seconds that the job took."""

MEASURED_AVX2 = Rates(Rate(95.7e9, 1 / 3.70e9, 2 / 72.2e9), Rate(103.6e9, 1 / 4.86e9, 2 / 93.1e9))
RECORDED_AVX2 = [
    ("extract", [StageWork("extract", "", 1029, 0, 0, 0, 0, "transformers", 0)], 8.1),
    (
        "localize",
        [
            StageWork("localize", "", 30828, 896, 28, 0, 1392, "transformers", 4),
            StageWork("screen", "", 2401, 0, 0, 0, 56, "transformers", 0),
        ],
        104.5,
    ),
    ("evaluate", [StageWork("select", "", 2058, 1536, 48, 0, 0, "vllm", 3)], 23.0),
]
"""The same of a smaller study where torch was held to AVX2; processor seconds."""

ROOT = Path(__file__).resolve().parents[3]

ONE = Rate(1e11, 1e-10, 2e-11)


PLAIN = Rates(ONE, ONE)


def speed(rates=PLAIN, resources=None, finished=()):
    return Speed(resources or Resources(), finished, lambda _shape, _dtype, threads: rates.times(threads))


def job(rule, *stages, size=SMOL_135M, **options):
    return JobWork(rule, tuple(stages), size, **options)


def reading(tokens):
    return StageWork("extract", "", tokens, 0)


@pytest.mark.parametrize(("rates", "recorded"), [(MEASURED, RECORDED), (MEASURED_AVX2, RECORDED_AVX2)], ids=["avx512", "avx2"])
def test_recorded_jobs_are_within_the_stated_factor_and_together_within_a_third(rates, recorded):
    planned = [speed(rates).seconds(job(rule, *stages)) for rule, stages, _ in recorded]
    assert all(1 / ERROR < found / seconds < ERROR for found, (*_, seconds) in zip(planned, recorded, strict=True))
    assert 2 / 3 < sum(planned) / sum(seconds for *_, seconds in recorded) < 4 / 3


def test_finished_jobs_of_a_rule_correct_it_for_models_of_about_that_size():
    plain, size = speed(), SMOL_135M.parameters
    finished = [Took("evaluate", size, 10.0, 20.0), Took("evaluate", size, 10.0, 5.0), Took("extract", size, 10.0, 30.0)]
    corrected = speed(finished=finished)
    for rule, factor in (("evaluate", 1.0), ("extract", 3.0), ("localize", 1.0)):
        one = job(rule, reading(1000))
        assert corrected.seconds(one) == pytest.approx(factor * plain.seconds(one))
        assert corrected.by_stage(one) == pytest.approx([factor * seconds for seconds in plain.by_stage(one)])
    small = job("extract", reading(1000), size=organism_size("default"))
    assert corrected.seconds(small) == plain.seconds(small)
    assert corrected.measured(["extract", "page"]) == {"extract"}


def test_prompts_pass_the_blocks_and_not_the_vocabulary():
    body = SMOL_135M.parameters - SMOL_135M.vocabulary * SMOL_135M.d_model
    more = speed().seconds(job("extract", reading(2000))) - speed().seconds(job("extract", reading(1000)))
    assert more == pytest.approx(2 * body * 1000 / 1e11)
    on_two = speed().by_stage(job("extract", reading(1000), processors=2))
    assert on_two == pytest.approx([more / 2])


def test_a_step_costs_its_weights_once_and_each_sequence_its_arithmetic():
    parameters = SMOL_135M.parameters
    one, many = (
        stage_seconds(StageWork("measure", "", 0, 10 * count, count, batches=1), SMOL_135M, ONE, 1e9, python=False)
        for count in (1, 50)
    )
    assert one == pytest.approx(10 * parameters * 1e-10)
    assert many == pytest.approx(10 * parameters * (1e-10 + 49 * 2e-11))
    in_turn = stage_seconds(StageWork("measure", "", 0, 500, 50, batches=50), SMOL_135M, ONE, 1e9, python=False)
    assert in_turn == pytest.approx(50 * one)


def test_short_answers_cost_an_engine_less_and_a_batch_waits_for_its_longest():
    def spent(backend, answer):
        return stage_seconds(StageWork("test", "", 0, 6400, 64, backend=backend, batches=1), SMOL_135M, ONE, answer, python=False)

    assert spent("vllm", 5.0) < 0.1 * spent("vllm", 1e9)
    assert spent("vllm", 20.0) < spent("transformers", 20.0) <= spent("transformers", 1e9)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_format_that_the_processor_multiplies_slowly_shows_in_the_hours(dtype):
    """As on AVX2 alone: bfloat16 48 times slower than float32."""
    slow = Rate(1e9, 1e-9, 2e-9)
    fast = Rate(48e9, 1e-9 / 4, 2 / 48e9)
    machine = {"float32": Rates(fast, fast), "bfloat16": Rates(slow, slow)}
    one = Speed(Resources(), (), lambda _shape, asked, _threads: machine[asked])
    (seconds,) = one.by_stage(job("extract", reading(1000), dtype=dtype))
    body = SMOL_135M.parameters - SMOL_135M.vocabulary * SMOL_135M.d_model
    assert seconds == pytest.approx(2 * body * 1000 / {"float32": 48e9, "bfloat16": 1e9}[dtype])


def test_stated_rates_win_and_nothing_is_measured():
    def never(*_):
        raise AssertionError("measured although the rate is stated")

    stated = Speed(Resources(gpu_teraflops=10.0, core_gigaflops=20.0, writing_share=0.5), (), never)
    body = SMOL_135M.parameters - SMOL_135M.vocabulary * SMOL_135M.d_model
    assert stated.by_stage(job("extract", reading(1000))) == pytest.approx([2 * body * 1000 / 20e9])
    assert stated.by_stage(job("extract", reading(1000), processors=2, on_gpu=True)) == pytest.approx([2 * body * 1000 / 20e12])
    rates = stated.rates(job("extract")).vllm
    assert rates.decoding(8) == pytest.approx(8 * 2 / (0.5 * 20e9))
    assert Speed(Resources(), (), never).seconds(JobWork("judge")) == SHARED["judge"].start
    assert Speed(Resources(), (), never).seconds(JobWork("no_such_rule")) == OTHER_SECONDS


def test_a_share_alone_is_taken_of_the_measured_rate():
    found = speed(resources=Resources(writing_share=0.25)).rates(job("measure")).transformers
    assert found.reading == ONE.reading and found.decoding(4) == pytest.approx(4 * 2 / (0.25 * 1e11))


def test_a_model_of_unknown_size_has_no_time():
    unknown = JobWork("evaluate", (reading(1000),), None, True)
    assert speed().seconds(unknown) is None and speed().by_stage(unknown) == [None]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (SMOL_135M, 1),
        (organism_size("default"), 2),
        (LLAMA_8B, 2),
        (QWEN_0_5B, 1),
    ],
)
def test_tied_and_untied_heads_are_told_apart(size, expected):
    assert tables(size) == expected and isinstance(block_shape(size), BlockShape)


def test_a_finished_job_counts_without_what_ran_beside_it():
    cost = {"seconds": 100.0, "cpu_seconds": 50.0}
    assert alone(cost, 1, False) == 50.0 and alone(cost, 2, False) == 25.0 and alone(cost, 1, True) == 100.0
    assert alone({"seconds": 100.0}, 1, False) == 100.0


def test_training_takes_the_faster_format_and_follows_its_steps():
    config = check_config({}, "test")
    work, asked = Work(config, load_catalogue(None)), []

    def rates(_shape, dtype, threads):
        asked.append(dtype)
        one = Rate({"float32": 1e11, "bfloat16": 2e9}[dtype], 1e-10, 2e-11)
        return Rates(one, one).times(threads)

    def seconds(member, threads=1):
        grown = work.job("organism_member", {"seed": "0", "member": member}, threads, False)
        return Speed(Resources(), rates=rates).seconds(grown)

    order = ["uncensored-2", "uncensored-1", "uncensored-3", "aligned", "base"]  # 10, 24, 26 and 200 steps; the base's are longer
    assert [training_tokens("default", member) for member in order] == sorted(training_tokens("default", one) for one in order)
    spent = [seconds(member) for member in order]
    assert spent == sorted(spent) and set(asked) == {"float32", "bfloat16"}
    tokens = training_tokens("default", "base") - training_tokens("default", "aligned")
    assert spent[-1] - spent[-2] == pytest.approx(3 * 2 * organism_size("default").parameters * tokens / 1e11, rel=0.3)
    assert seconds("base", threads=2) < seconds("base")


def pair_made_here(**changes):
    """The work of a run that trains a model's partner, of a base of 8 billion parameters."""
    options = yaml.safe_load((ROOT / "config" / "real" / "gemma3-270m-pair.yaml").read_text())
    options["models"]["gemma3-270m-aligned"]["tuned"] |= changes
    options["resources"] = {"models": {"gemma3-270m": {"billions": 8}}}
    return Work(check_config(options, "test"), load_catalogue(None))


def seconds_of(work, rule, model):
    return Speed(Resources(), rates=lambda *_: PLAIN).seconds(work.job(rule, {"model": model}, 1, False))


def test_a_partner_that_the_run_trains_takes_what_its_tokens_take():
    partner = "gemma3-270m-aligned"
    once, twice = (seconds_of(pair_made_here(tokens=tokens), "tune", partner) for tokens in (50_000, 100_000))
    forward = 2 * 8e9 * 50_000 / 1e11
    assert 2 * forward < twice - once < 4 * forward
    again = seconds_of(pair_made_here(tokens=50_000, checkpointing=True), "tune", partner)
    assert again - once == pytest.approx(forward, rel=0.2)


def test_converting_and_reading_a_models_files_take_as_long_as_it_is_large():
    work = pair_made_here()
    assert seconds_of(work, "convert", "gemma3-270m") > 20 * 60 > seconds_of(work, "model_card", "gemma3-270m") > 60
    organism = Work(check_config({}, "test"), load_catalogue(None))
    assert seconds_of(organism, "model_card", "base.s0") < 1
