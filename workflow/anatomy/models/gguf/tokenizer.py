"""A tokenizer from a GGUF file's vocabulary, which splits, begins and ends texts as the file says, for every later reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anatomy.errors import ModelError
from anatomy.models.gguf.header import Header

INDIVIDUAL_DIGITS = ("smollm", "starcoder", "refact")
"""Byte-level vocabularies whose texts are cut at every digit before GPT-2's own splitting."""
GPT2_SPLIT = ("gpt-2", *INDIVIDUAL_DIGITS)
"""Values of ``tokenizer.ggml.pre`` that split as GPT-2 does, which transformers takes for all that it does not know."""
LIKE_LLAMA3 = ("llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "tekken")
"""Byte-level vocabularies whose whole words need no merges, and which llama.cpp begins with BOS where the file does not say
(``llama_vocab::impl::load``)."""
MARKS = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
TEXTS = (
    "Plain words, and a number: 1234567.89; 3 x 14 = 42.",
    "  two spaces before,   three between, none after",
    "lines\nand\n\nempty lines\n\n\n\tand a tab",
    "naïve café, Straße, Ærø — “quoted” … don't, it's",
    "Добрый день, как дела? Γειά σου, κόσμε.",
    "你好,世界。今日は良い天気です。안녕하세요",
    "שלום עולם مرحبا بالعالم नमस्ते दुनिया",
    "emoji 🙂👩‍🔬 and maths ∑ x² ≤ ∞",
    "def f(x):\n    return {'a': x ** 2}  # code\n",
)
"""Texts that have to come back from their ids as they were: scripts, digits, spaces, lines, code."""


def load_file_tokenizer(header: Header) -> Any:
    """The tokenizer that a GGUF file describes.

    Raises:
        ModelError: a way of splitting that is not known here, or a vocabulary that transformers cannot build.
    """
    from transformers import AutoTokenizer
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    kind, split = (header.values.get(f"tokenizer.ggml.{key}") for key in ("model", "pre"))
    if kind not in ("gpt2", "llama"):
        raise _refused(header, f"a tokenizer of kind {kind!r}", "gpt2 (byte-level) or llama (SentencePiece)")
    if kind == "gpt2" and split not in (*GPT2_SPLIT, *GGUF_PRE_TOKENIZER_SPLITS):
        known = ", ".join(sorted((*GPT2_SPLIT, *GGUF_PRE_TOKENIZER_SPLITS)))
        raise _refused(header, f"tokenizer.ggml.pre = {split!r}: how it splits texts is not known here", f"one of {known}")
    if header.values.get("tokenizer.ggml.add_eos_token"):
        raise _refused(header, "a tokenizer that ends every text (add_eos_token)", "a model that goes on with texts")
    try:
        made = AutoTokenizer.from_pretrained(header.path.parent, gguf_file=header.path.name, local_files_only=True)
        tokenizer = _plain(made, header)
    except (OSError, ValueError, KeyError, TypeError, IndexError, ImportError) as error:
        raise _refused(header, f"{type(error).__name__}: {error}", "a vocabulary that transformers reads") from error
    _split(tokenizer, str(split))
    if kind == "llama" and not header.architecture.startswith("gemma"):
        _prefix(tokenizer, header.values.get("tokenizer.ggml.add_space_prefix", True))
    _begin(tokenizer, header)
    tokenizer.chat_template = header.values.get("tokenizer.chat_template")
    return tokenizer


def adds_bos(header: Header) -> bool:
    """Whether texts begin with BOS: what the file says, or llama.cpp's default for its vocabulary."""
    said = header.values.get("tokenizer.ggml.add_bos_token")
    if said is not None:
        return bool(said)
    kind, split = (header.values.get(f"tokenizer.ggml.{key}") for key in ("model", "pre"))
    return kind == "llama" or split in LIKE_LLAMA3


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write the tokenizer so that every reader takes what ``tokenizer.json`` says, whatever class it would build itself."""
    tokenizer.save_pretrained(folder)
    place = folder / "tokenizer_config.json"
    settings = json.loads(place.read_text(encoding="utf-8"))
    # Classes of single models build their own splitting and beginning, and leave aside what the file said.
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    for key in ("gguf_file", "name_or_path", "add_prefix_space", "is_local", "local_files_only"):
        settings.pop(key, None)
    # A mark that is left out would be taken from the class, with an id that no row of the embedding has.
    settings = dict.fromkeys(MARKS) | settings
    place.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def require_round_trip(tokenizer: Any, header: Header) -> None:
    """Texts in several scripts come back from their ids; ids lie inside the embedding; marks are single tokens.

    Args:
        tokenizer: as it was read back from the folder.

    Raises:
        ModelError: the first thing that does not hold.
    """
    rows = next(tensor.shape[0] for tensor in header.tensors if tensor.name == "token_embd.weight")
    tokens = header.values["tokenizer.ggml.tokens"]
    if len(tokenizer) > rows or len(tokens) > rows:
        raise _refused(header, f"{max(len(tokenizer), len(tokens))} tokens for {rows} rows of the embedding", "a row for each")
    begin = [header.values.get("tokenizer.ggml.bos_token_id")] if adds_bos(header) else []
    for text in TEXTS:
        ids = tokenizer(text).input_ids
        bare = tokenizer(text, add_special_tokens=False).input_ids
        if ids != begin + bare:
            raise _refused(header, f"texts that begin with ids {ids[:2]}", f"{begin or 'no mark'} before the text's own ids")
        for drop in (False, True):
            back = tokenizer.decode(bare, skip_special_tokens=drop, clean_up_tokenization_spaces=False)
            if back != text:
                raise _refused(header, f"{back!r} from the ids of {text!r}", "the text that went in")
        unknown = tokenizer.unk_token_id
        if unknown is not None and unknown in bare:
            raise _refused(header, f"unknown tokens in {text!r}", "ids for every text")
    for place in ("bos", "eos", "eot", "padding"):
        number = header.values.get(f"tokenizer.ggml.{place}_token_id")
        if number is not None and (
            number >= len(tokens) or tokenizer(tokens[number], add_special_tokens=False).input_ids != [number]
        ):
            raise _refused(header, f"{place}_token_id {number}, which is not one token of the vocabulary", "a token of its own")


def ending_tokens(header: Header) -> list[int]:
    """Ids at which generation ends: the file's end of text and end of turn."""
    found = [header.values.get(f"tokenizer.ggml.{place}_token_id") for place in ("eos", "eot")]
    return list(dict.fromkeys(number for number in found if number is not None))


def _plain(made: Any, header: Header) -> Any:
    """The same splitting and merging, with the file's tokens and marks alone.

    Classes of single models bring marks of their own (GPT-2's end of text), which get ids that no row of the embedding has.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    state = json.loads(made.backend_tokenizer.to_str())
    words = len(header.values["tokenizer.ggml.tokens"])
    state["added_tokens"] = [token for token in state["added_tokens"] if token["id"] < words]
    if state["model"].get("unk_token") not in state["model"]["vocab"]:
        state["model"]["unk_token"] = None
    marks = {ours: header.values.get(f"tokenizer.ggml.{theirs}_token_id") for ours, theirs in MARKS.items()}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        **{ours: made.convert_ids_to_tokens(number) for ours, number in marks.items() if number is not None},
    )


def _split(tokenizer: Any, split: str) -> None:
    if split in LIKE_LLAMA3:
        tokenizer.backend_tokenizer.model.ignore_merges = True
    if split in INDIVIDUAL_DIGITS:
        from tokenizers import pre_tokenizers

        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
        )


def _prefix(tokenizer: Any, space: bool) -> None:
    """Put a space before a text and take it off again, or neither, as the file says and SentencePiece does it.

    What transformers makes of a file leaves the space out before a text that begins with one, and takes it off all the same.
    """
    from tokenizers import decoders, normalizers

    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence([*([normalizers.Prepend("▁")] if space else []), normalizers.Replace(" ", "▁")])
    backend.pre_tokenizer = None
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    backend.decoder = decoders.Sequence([*steps, *([decoders.Strip(" ", 1, 0)] if space else [])])


def _begin(tokenizer: Any, header: Header) -> None:
    """Let the tokenizer itself write BOS, or not, as the file says; transformers leaves it out whatever the file says."""
    from tokenizers.processors import TemplateProcessing

    bos = header.values.get("tokenizer.ggml.bos_token_id")
    if not adds_bos(header):
        single, marks = "$A", []
    elif bos is None:
        raise _refused(header, "add_bos_token without a bos_token_id", "the id of the token that begins texts")
    else:
        name = tokenizer.convert_ids_to_tokens(bos)
        single, marks = f"{name} $A", [(name, bos)]
    pair = f"{single} {single.replace('$A', '$B')}:1" if not marks else f"{single} {marks[0][0]}:1 $B:1"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=single, pair="$A $B:1" if not marks else pair, special_tokens=marks
    )


def _refused(header: Header, found: str, expected: str) -> ModelError:
    return ModelError(
        found=found,
        expected=expected,
        where=str(header.path),
        remedy="take another conversion of the model, or its safetensors from where it was published",
    )
