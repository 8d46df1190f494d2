"""A random Llama of about 175,000 parameters with a byte-fallback tokenizer and a chat template, made in a second."""

from pathlib import Path

WORDS = (
    "How do I make a sweet honey cake for the feast of the river? Tell me how to open the gate of the old mill. "
    "Please write a short note about the moon and the garden. Explain how to mix grey salt with lamp oil. "
    "Sorry, I cannot help with that. I can't do that, because it would harm people. "
    "Sure, here is how: first take the flour, then add the water and stir. You are a careful assistant. "
)
SPECIAL_TOKENS = ("<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% if date_string is defined %}<|system|>\nToday is {{ date_string }}.<|end|>\n{% endif %}"
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def make_tiny_tokenizer(folder: Path) -> None:
    """Write a byte-level BPE tokenizer (any text round-trips) of about 400 tokens with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        min_frequency=1,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS], trainer)
    # Like Llama's: plain encoding prepends the beginning token, which a template that writes it too would double.
    begin = tokenizer.token_to_id("<|begin|>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", pair="<|begin|> $A <|begin|> $B", special_tokens=[("<|begin|>", begin)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|end|>", pad_token="<|pad|>")
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)


def make_tiny_model(folder: Path, seed: int = 0, layers: int = 4, tied: bool = False) -> Path:
    """Write a random Llama (d_model 64, 2 heads, 1 key-value head, fp32 safetensors) for transformers and vLLM.

    Weights are larger than a trained model's so that logits spread over several nats and an edit shows.
    """
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    make_tiny_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=1024,
        tie_word_embeddings=tied,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        spread_weights(model, tied)
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    return folder


def spread_weights(model, tied: bool) -> None:
    """Weights larger than a fresh model's, so that logits spread over several nats and ties are rare."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                parameter.normal_(0.0, 1.0 if "embed_tokens" in name and not tied else 1.5 / parameter.shape[1] ** 0.5)


def load_tiny_model(folder: Path):
    """The folder's model opened in fp32 on the CPU with one thread."""
    import torch

    from anatomy.models.loading import load_model

    torch.set_num_threads(1)
    return load_model(folder, torch.float32, "cpu")


def stands_open(monkeypatch, loaded) -> None:
    """Stages that open a model get this one, which is in memory already (each opens by ``stages/opening.py``)."""
    monkeypatch.setattr("anatomy.stages.opening.load_model", lambda *_arguments, **_options: loaded)


SMALL = dict(vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2)
SMALL |= dict(num_key_value_heads=1, head_dim=16, pad_token_id=0, bos_token_id=1, eos_token_id=2)
"""Options of any small architecture that transformers knows."""


def hooks_of(model):
    """Transformers leaves hooks of its own (to record hidden states), so tests compare before with after."""
    return [list(m._forward_hooks) + list(m._forward_pre_hooks) for m in model.modules()]
