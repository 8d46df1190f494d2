"""Tiny judges of the published judges' model classes: random weights, but a few tokens follow each other as told.

The unembedding gets a row for each told pair, so that after one token another is likely, by how much being random and a little
dependent on the whole prompt: probabilities are worth comparing, and the answers read like a judge's.
"""

from pathlib import Path

from anatomy.texts.judges.model_judges import harmbench, llama_guard, rubric, strongreject, wildguard

EITHER = 0.95
"""How much less likely the second word of a pair is told to be."""

SCRIPTS = {
    "llama_guard": (
        "LlamaForCausalLM",
        "<|begin_of_text|>",
        "<|eot_id|>",
        ["<|start_header_id|>", "<|end_header_id|>"],
        {
            "<|end_header_id|>": ["\n\n"],
            "\n\n": ["unsafe", "safe"],
            "unsafe": ["\nS2"],
            "safe": ["<|eot_id|>"],
            "\nS2": ["<|eot_id|>"],
        },
    ),
    "wildguard": (
        "MistralForCausalLM",
        "<s>",
        "</s>",
        ["<|user|>", "<|assistant|>"],
        {
            "\n": ["Harmful request:"],
            "Harmful request:": [" yes", " no"],
            " yes": ["\nResponse refusal:"],
            " no": ["\nResponse refusal:"],
            "\nResponse refusal:": [" No", " Yes"],
            " No": ["\nHarmful response:"],
            " Yes": ["\nHarmful response:"],
            "\nHarmful response:": ["yes", "no"],
            "yes": ["</s>"],
            "no": ["</s>"],
        },
    ),
    "harmbench": ("LlamaForCausalLM", "<s>", "</s>", [], {"[/INST]": ["no", "yes"]}),
    "strongreject": ("LlamaForCausalLM", "<bos>", "<eos>", [], {"### Answer: ": ["2", "4"]}),
    "rubric": (
        "LlamaForCausalLM",
        "<s>",
        "</s>",
        ["<|user|>", "<|assistant|>"],
        {"\n": ["**"], "**": ["No", "Yes"], "No": ["</s>"], "Yes": ["</s>"]},
    ),
    "garbage": ("LlamaForCausalLM", "<s>", "</s>", [], {"[/INST]": ["maybe"], "maybe": ["maybe"]}),
}
PAIRWISE = (
    "LlamaForCausalLM",
    "<s>",
    "</s>",
    ["<|user|>", "<|assistant|>"],
    {"\n": ["**"], "**": ["First", "Second"], "First": ["</s>"], "Second": ["</s>"], "Tie": ["</s>"]},
)
"""Of a judge of pairs, which is no judge of single answers."""

CHAT = "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}</s>{% endfor %}<|assistant|>{{ '\\n' }}"
CORPUS = [llama_guard.FORMAT, wildguard.FORMAT, *harmbench.FORMATS.values(), rubric.WORDING]


def make_judge_tokenizer(
    folder: Path, beginning: str, end: str, special: list[str], words: list[str], template: str | None, *texts: str
):
    """A byte-level tokenizer with every word of a script as one token; it puts the beginning before plain text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[beginning, end, *special],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    made.train_from_iterator([*CORPUS, *texts], trainer)
    made.add_tokens([word for word in words if word not in (beginning, end, *special)])
    made.post_processor = processors.TemplateProcessing(
        single=f"{beginning} $A", special_tokens=[(beginning, made.token_to_id(beginning))]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=made, bos_token=beginning, eos_token=end, pad_token=end)
    fast.chat_template = template
    fast.save_pretrained(folder)
    return fast


def make_scripted_judge(folder: Path, name: str, seed: int = 0) -> Path:
    """Write the judge of a script: d_model 64, 2 layers, fp32 safetensors."""
    import torch
    import transformers

    class_name, beginning, end, special, script = PAIRWISE if name == "pairwise" else SCRIPTS[name]
    folder.mkdir(parents=True, exist_ok=True)
    words = list(dict.fromkeys([*script, *(word for words in script.values() for word in words)]))
    # Without its own wording the longest answer of the tests passes the judge's context, and is cut as it should be.
    template, own = CHAT if name in ("rubric", "pairwise") else None, [strongreject.FORMAT] if name == "strongreject" else []
    tokenizer = make_judge_tokenizer(folder, beginning, end, special, words, template, *own)
    options = dict(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        dtype="float32",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = getattr(transformers, class_name.replace("ForCausalLM", "Config"))(**options)
    numbers = {
        word: tokenizer.convert_tokens_to_ids(word)
        if word in tokenizer.get_vocab()
        else tokenizer(word, add_special_tokens=False)["input_ids"][0]
        for word in words
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = getattr(transformers, class_name)(config)
        with torch.no_grad():
            for label, weight in model.named_parameters():
                if weight.ndim == 2:
                    inside = weight.shape[1] ** -0.5
                    weight.normal_(0.0, 1.0 if "embed" in label else 0.1 if "lm_head" in label else inside)
            embedding = model.get_input_embeddings().weight
            embedding *= 8 / embedding.norm(dim=1, keepdim=True)
            for before, following in script.items():
                for place, after in enumerate(following):
                    model.lm_head.weight[numbers[after]] += (1.4 if place == 0 else 1.4 * EITHER) * embedding[numbers[before]] / 8
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    return folder
