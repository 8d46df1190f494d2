"""A whole model examined: what is found, and every way in which it cannot serve a run."""

from dataclasses import replace

import pytest
from chat_families import family_tokenizer
from examined_models import LARGE, NEEDS, state
from safetensors.torch import load_file

from anatomy.errors import ConfigError, DataError, ModelError
from anatomy.models.machine.memory import Machine
from anatomy.models.preflight.report import examine_model
from anatomy.models.rendering import Rendering


def problems(folder, needs=NEEDS, machine=LARGE):
    return examine_model(folder, needs, machine).problems


def test_a_model_that_fits_has_facts_and_no_problems(tiny, tiny_folder):
    report = examine_model(tiny_folder, NEEDS, LARGE)
    report.check()
    assert report.problems == report.notes == ()
    assert report.architecture.name == "LlamaForCausalLM" and report.architecture.context == 1024
    assert report.size.parameters == sum(p.numel() for p in tiny.model.parameters())
    assert report.context.prompts == 4 and report.context.needed <= 128
    assert set(report.renderings) == {"plain", "answers"} and set(report.memory) == {"transformers", "vllm"}
    assert report.memory["vllm"].kv_cache == 2**20 and report.memory["transformers"].weights == 4 * report.size.parameters


def test_no_weight_is_read(tiny_folder, monkeypatch):
    monkeypatch.setattr("anatomy.models.checkpoint.Checkpoint.tensor", lambda *_: pytest.fail("a weight was read"))
    examine_model(tiny_folder, NEEDS, LARGE).check()


def test_a_model_larger_than_memory(tiny_folder):
    for_transformers, for_vllm = problems(tiny_folder, machine=Machine(2**20, 2**19))
    assert "512 KiB are free" in for_transformers.found and "512 KiB are free" in for_vllm.found


def test_a_base_model_without_template(folder):
    (folder / "chat_template.jinja").unlink()
    (problem,) = problems(folder)
    assert isinstance(problem, ModelError) and "no chat template" in problem.found and "template: false" in problem.remedy
    plain = replace(NEEDS, renderings={"plain": Rendering(template=False)})
    assert problems(folder, plain) == ()


def test_prompts_that_are_too_long(folder):
    long = replace(NEEDS, prompts={"benign": ["the mill"], "harmful": ["x " * 100]})
    (problem,) = problems(folder, long)
    assert isinstance(problem, ConfigError) and "prompt 0 of harmful" in problem.found
    assert "serving.max_model_len" in problem.remedy
    state(folder, max_position_embeddings=64)
    (problem,) = problems(folder, long)
    assert isinstance(problem, DataError) and "at most 64, the model's context" in problem.expected
    (problem,) = problems(folder)
    assert "serving.max_model_len 128" in problem.found


def test_every_problem_is_found_at_once(folder):
    state(folder, architectures=["UnheardOfForCausalLM"], model_type="llama", max_position_embeddings=16)
    report = examine_model(folder, NEEDS, Machine(2**20, 2**10))
    assert len(report.problems) == 4, "architecture, context, memory of both backends"
    with pytest.raises(ModelError, match="4 problems") as caught:
        report.check()
    assert all(str(problem) in str(caught.value) for problem in report.problems)


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda folder: (folder / "config.json").unlink(), r"config\.json"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"12345678"), "safetensors header"),
        (lambda folder: [path.unlink() for path in folder.glob("tokenizer*")], "no tokenizer"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    ],
)
def test_a_broken_folder_is_a_problem_and_no_crash(folder, harm, found):
    harm(folder)
    report = examine_model(folder, NEEDS, LARGE)
    with pytest.raises(ModelError, match=found):
        report.check()
    assert str(folder) in report.problems[0].where


def test_what_a_reader_should_know_is_noted(folder):
    family_tokenizer("qwen_2_5").save_pretrained(folder)
    state(folder, quantization_config={"quant_method": "awq"}, max_position_embeddings=None)
    notes = examine_model(folder, NEEDS, LARGE).notes
    assert len(notes) == 3 and "plain: no system prompt is given, and the template writes its own" in notes[0]
    assert "awq" in notes[1] and "only serving.max_model_len" in notes[2]


def test_a_refused_system_prompt_is_found_before_anything_runs(folder):
    family_tokenizer("gemma_2").save_pretrained(folder)
    (problem,) = problems(folder)
    assert "System role not supported" in problem.found and "fold_system: true" in problem.remedy
    folded = {"answers": Rendering(system="Be careful.", fold_system=True)}
    report = examine_model(folder, replace(NEEDS, renderings=folded), LARGE)
    assert report.problems == () and "folded" in report.notes[0]


def test_stored_formats_are_counted(folder):
    tensors = load_file(folder / "model.safetensors")
    report = examine_model(folder, NEEDS, LARGE)
    assert report.size.bytes_by_dtype == {"F32": sum(4 * tensor.numel() for tensor in tensors.values())}
