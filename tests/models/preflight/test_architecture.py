"""Architectures by what config.json says."""

import json

import pytest

from anatomy.errors import ModelError
from anatomy.models.preflight.architecture import read_architecture, require_architecture, vllm_architectures

KNOWN = {
    "LlamaForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3_text",
    "Gemma3ForConditionalGeneration": "gemma3",
    "MistralForCausalLM": "mistral",
    "Phi3ForCausalLM": "phi3",
    "Olmo2ForCausalLM": "olmo2",
    "MixtralForCausalLM": "mixtral",
    "Qwen3MoeForCausalLM": "qwen3_moe",
}


def write(folder, **config):
    (folder / "config.json").write_text(json.dumps(config))
    return read_architecture(folder)


@pytest.mark.parametrize(("name", "model_type"), KNOWN.items())
def test_the_families_under_study_are_known_to_both_libraries(tmp_path, name, model_type):
    found = write(tmp_path, architectures=[name], model_type=model_type, max_position_embeddings=4096)
    require_architecture(found, "-")
    assert (found.name, found.context, found.in_transformers, found.in_vllm) == (name, 4096, True, True)
    assert not found.remote_code and found.quantised is None


@pytest.mark.parametrize(
    ("config", "found", "remedy"),
    [
        ({"model_type": "llama"}, "without architectures", "published"),
        (
            {"architectures": ["UnheardOfForCausalLM"], "model_type": "unheard_of"},
            "model_type 'unheard_of'",
            "newer transformers",
        ),
        (
            {"architectures": ["LlamaForSequenceClassification"], "model_type": "llama"},
            "LlamaForSequenceClassification",
            "causal",
        ),
        ({"architectures": ["BertModel"], "model_type": "bert"}, "BertModel", "causal"),
        (
            {"architectures": ["QWenLMHeadModel"], "model_type": "qwen", "auto_map": {"AutoModel": "code.Q"}},
            "needs code from the model",
            "not run",
        ),
    ],
)
def test_what_transformers_cannot_open_by_itself_is_refused(tmp_path, config, found, remedy):
    with pytest.raises(ModelError, match=found) as caught:
        require_architecture(write(tmp_path, **config), "the folder")
    assert caught.value.where == "the folder" and remedy in caught.value.remedy


def test_facts_for_others_to_judge(tmp_path):
    found = write(
        tmp_path, architectures=["LlamaForCausalLM"], model_type="llama", auto_map={}, quantization_config={"quant_method": "awq"}
    )
    assert found.remote_code and found.quantised == "awq" and found.context is None


def test_a_multimodal_folder_nests_its_language_model(tmp_path):
    assert (
        write(
            tmp_path,
            architectures=["Gemma3ForConditionalGeneration"],
            model_type="gemma3",
            text_config={"max_position_embeddings": 131072},
        ).context
        == 131072
    )


@pytest.mark.parametrize("text", [None, "{", ""])
def test_no_configuration_is_no_model_folder(tmp_path, text):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json") as caught:
        read_architecture(tmp_path)
    assert ("model folder" if text is None else "a JSON object") in caught.value.expected and caught.value.remedy


def test_the_registry_is_read_without_importing_vllm():
    assert {"LlamaForCausalLM", "Gemma3ForConditionalGeneration"} <= vllm_architectures()
    assert "UnheardOfForCausalLM" not in vllm_architectures()
