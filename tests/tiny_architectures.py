"""Which transformers classes are tested, each described by a small config.json as published checkpoints are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LAYERS, D_MODEL = 3, 64
SIZES = {
    "hidden_size": D_MODEL,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 1024,
    "rms_norm_eps": 1e-6,
    "initializer_range": 0.02,
    "torch_dtype": "float32",
    "use_cache": True,
}


@dataclass(frozen=True, eq=False)
class Architecture:
    """A family of models as its authors publish it.

    Args:
        name: as its authors write it.
        model_type: transformers' name of the configuration class.
        causal: transformers' class.
        published: keys of the published config.json that make the family what it is (windows scaled to a tiny model).
        post_norm: norms stand between the sublayers and the residual stream.
        tied: input and output embeddings are one matrix in the published checkpoint that the row stands for.
        experts: matrices that write in each MLP that is a mixture of experts, shared ones too; 0 where it is none.
        own_words: what its config.json calls the sizes that others call as Llama's does; None for one that it does not have.
        bias: matrices that write to the stream have biases.
    """

    name: str
    model_type: str
    causal: str
    published: dict[str, Any] = field(default_factory=dict)
    post_norm: bool = False
    tied: bool = False
    experts: int = 0
    own_words: dict[str, str | None] = field(default_factory=dict)
    bias: bool = False

    @property
    def sizes(self) -> dict[str, Any]:
        """What config.json says of its size."""
        named = {self.own_words.get(key, key): value for key, value in SIZES.items()}
        return {key: value for key, value in named.items() if key is not None}

    @property
    def slug(self) -> str:
        return self.name.lower().replace(" ", "-").replace(".", "-")


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 256,
}
PHI3_CODE = {"AutoConfig": "configuration_phi3.Phi3Config", "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}
NO_WINDOW = {"use_sliding_window": False, "sliding_window": 1024, "max_window_layers": LAYERS}
GEMMA = {"head_dim": 32, "hidden_activation": "gelu_pytorch_tanh", "rope_theta": 10_000.0}
# The published cap is 50; at 2 it shows in a model whose attention logits are small.
CAPS = {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 30.0}

ARCHITECTURES = (
    Architecture(
        "Llama 3.1",
        "llama",
        "LlamaForCausalLM",
        {"rope_theta": 500_000.0, "rope_scaling": LLAMA3_ROPE, "rms_norm_eps": 1e-5, "tie_word_embeddings": False},
    ),
    Architecture(
        "Yi",
        "llama",
        "LlamaForCausalLM",
        {"rope_theta": 5_000_000.0, "rope_scaling": None, "intermediate_size": 172, "tie_word_embeddings": False},
    ),
    Architecture(
        "Mistral",
        "mistral",
        "MistralForCausalLM",
        {"rope_theta": 10_000.0, "sliding_window": 32, "rms_norm_eps": 1e-5, "tie_word_embeddings": False},
    ),
    Architecture("Qwen2", "qwen2", "Qwen2ForCausalLM", {"rope_theta": 1_000_000.0, **NO_WINDOW, "tie_word_embeddings": False}),
    Architecture(
        "Qwen2.5", "qwen2", "Qwen2ForCausalLM", {"rope_theta": 1_000_000.0, **NO_WINDOW, "tie_word_embeddings": True}, tied=True
    ),
    Architecture(
        "Qwen3",
        "qwen3",
        "Qwen3ForCausalLM",
        {"rope_theta": 1_000_000.0, "head_dim": 32, "attention_bias": False, **NO_WINDOW, "tie_word_embeddings": True},
        tied=True,
    ),
    Architecture(
        "Phi-3",
        "phi3",
        "Phi3ForCausalLM",
        {
            "auto_map": PHI3_CODE,
            "rope_theta": 10_000.0,
            "rope_scaling": None,
            "sliding_window": 31,
            "rms_norm_eps": 1e-5,
            "original_max_position_embeddings": 1024,
            "tie_word_embeddings": False,
        },
    ),
    Architecture("Gemma", "gemma", "GemmaForCausalLM", GEMMA, tied=True),
    Architecture(
        "Gemma 2",
        "gemma2",
        "Gemma2ForCausalLM",
        {**GEMMA, **CAPS, "query_pre_attn_scalar": 32, "sliding_window": 16},
        post_norm=True,
        tied=True,
    ),
    Architecture(
        "Gemma 3",
        "gemma3_text",
        "Gemma3ForCausalLM",
        {
            **GEMMA,
            "rope_theta": 1_000_000.0,
            "rope_local_base_freq": 10_000.0,
            "query_pre_attn_scalar": 32,
            "sliding_window": 16,
            "sliding_window_pattern": 3,
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
        },
        post_norm=True,
        tied=True,
    ),
    Architecture(
        "OLMo-2",
        "olmo2",
        "Olmo2ForCausalLM",
        {"rope_theta": 500_000.0, "rope_scaling": None, "num_key_value_heads": 2, "tie_word_embeddings": False},
        post_norm=True,
    ),
    Architecture(
        "Starcoder2",
        "starcoder2",
        "Starcoder2ForCausalLM",
        {
            "rope_theta": 100_000.0,
            "use_bias": True,
            "norm_epsilon": 1e-5,
            "hidden_act": "gelu_pytorch_tanh",
            "sliding_window": 32,
            "tie_word_embeddings": True,
        },
        tied=True,
        own_words={"rms_norm_eps": None},
        bias=True,
    ),
    Architecture(
        "Phi-2",
        "phi",
        "PhiForCausalLM",
        {
            "num_key_value_heads": 2,
            "partial_rotary_factor": 0.5,
            "rope_theta": 10_000.0,
            "hidden_act": "gelu_new",
            "layer_norm_eps": 1e-5,
            "qk_layernorm": False,
            "tie_word_embeddings": False,
        },
        own_words={"rms_norm_eps": None},
        bias=True,
    ),
    Architecture(
        "GPT-NeoX",
        "gpt_neox",
        "GPTNeoXForCausalLM",
        {
            "rotary_pct": 0.25,
            "rotary_emb_base": 10_000,
            "use_parallel_residual": True,
            "layer_norm_eps": 1e-5,
            "hidden_act": "gelu",
            "tie_word_embeddings": False,
        },
        own_words={"rms_norm_eps": None, "num_key_value_heads": None},
        bias=True,
    ),
    Architecture(
        "GPT-2",
        "gpt2",
        "GPT2LMHeadModel",
        {"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5},
        tied=True,
        own_words={
            "hidden_size": "n_embd",
            "intermediate_size": "n_inner",
            "num_hidden_layers": "n_layer",
            "num_attention_heads": "n_head",
            "max_position_embeddings": "n_positions",
            "rms_norm_eps": None,
            "num_key_value_heads": None,
        },
        bias=True,
    ),
    Architecture(
        "Mixtral",
        "mixtral",
        "MixtralForCausalLM",
        {
            "rope_theta": 1_000_000.0,
            "sliding_window": None,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": False,
        },
        experts=4,
    ),
    Architecture(
        "Qwen3-MoE",
        "qwen3_moe",
        "Qwen3MoeForCausalLM",
        {
            "rope_theta": 1_000_000.0,
            "head_dim": 32,
            "num_experts": 8,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 64,
            "norm_topk_prob": True,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            "sliding_window": None,
            "use_sliding_window": False,
            "tie_word_embeddings": False,
        },
        experts=8,
    ),
    Architecture(
        "Qwen2-MoE",
        "qwen2_moe",
        "Qwen2MoeForCausalLM",
        {
            "rope_theta": 1_000_000.0,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 48,
            "shared_expert_intermediate_size": 80,
            "norm_topk_prob": False,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            **NO_WINDOW,
            "tie_word_embeddings": False,
        },
        experts=5,
    ),
    Architecture(
        "OLMoE",
        "olmoe",
        "OlmoeForCausalLM",
        {
            "rope_theta": 10_000.0,
            "num_key_value_heads": 2,
            "num_experts": 8,
            "num_experts_per_tok": 2,
            "norm_topk_prob": False,
            "clip_qkv": None,
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": False,
        },
        experts=8,
    ),
)
