"""Small tokenizers of the published families: their special tokens, their beginning token, their chat format.

The templates in ``tests/templates`` are minimal ones of our own that give the published formats for one system and one user
turn (model cards of the families; tools and images left out). Vocabularies are 300 tokens with every merge written out below.
"""

from dataclasses import dataclass
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parent / "templates"
WORDS = ("assistant", "model", "user", "system", "INST")
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""How Llama 3 and OLMo 2 cut text before merging (Qwen cuts digits one by one)."""


@dataclass(frozen=True)
class Family:
    """What the tokenizer of a family does.

    Attributes:
        pieces: sentencepiece-like (a blank is part of the next piece) instead of byte-level.
        specials: tokens never cut; the first ends a turn or text.
        bos: beginning-of-text token; None as in Qwen.
        adds_bos: whether plain encoding begins with it.
        prefix: whether a blank is put in front of every stretch of text (Llama 2, Mistral, Phi 3).
        rstrip: whether special tokens swallow the white space behind them (Phi 3).
    """

    specials: tuple[str, ...]
    bos: str | None = None
    adds_bos: bool = False
    pieces: bool = False
    prefix: bool = False
    rstrip: bool = False


LLAMA_3 = Family(("<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"), "<|begin_of_text|>", True)
GEMMA = Family(("<end_of_turn>", "<start_of_turn>", "<eos>"), "<bos>", True, pieces=True)
CHATML = ("<|im_end|>", "<|im_start|>", "<|endoftext|>")
LLAMA_2 = Family(("</s>",), "<s>", True, pieces=True, prefix=True)
PHI_3 = Family(("<|end|>", "<|user|>", "<|assistant|>", "<|system|>"), "<s>", False, pieces=True, prefix=True, rstrip=True)
FAMILIES = {
    "llama_2": LLAMA_2,
    "llama_3": LLAMA_3,
    "llama_3_1": LLAMA_3,
    "llama_3_2": LLAMA_3,
    "gemma_2": GEMMA,
    "gemma_3": GEMMA,
    "mistral_7b_v0_2": LLAMA_2,
    "mistral_7b_v0_3": Family(("</s>", "[INST]", "[/INST]"), "<s>", True, pieces=True, prefix=True),
    "qwen_2_5": Family(CHATML),
    "qwen_3": Family((*CHATML, "<think>", "</think>")),
    "yi": Family(CHATML, "<|startoftext|>"),
    "phi_3": PHI_3,
    "phi_3_medium": PHI_3,
    "olmo_2": Family(("<|endoftext|>",), "<|endoftext|>"),
}


def family_template(name: str) -> str:
    """The chat template of a family."""
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


def family_tokenizer(name: str, template: bool = True):
    """A tokenizer that does what the family's does; without its template on request, as base models come."""
    from tokenizers import AddedToken, processors
    from transformers import PreTrainedTokenizerFast

    family = FAMILIES[name]
    tokenizer = _pieces(family) if family.pieces else _byte_level()
    specials = dict.fromkeys([*family.specials, *([family.bos] if family.bos else [])])
    tokenizer.add_special_tokens(
        [AddedToken(token, rstrip=family.rstrip and token != family.bos, normalized=False) for token in specials]
    )
    if family.adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A", special_tokens=[(family.bos, tokenizer.token_to_id(family.bos))]
        )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=family.bos, eos_token=family.specials[0])
    if template:
        fast.chat_template = family_template(name)
    return fast


def _merges(texts) -> list[tuple[str, str]]:
    return list(dict.fromkeys((text[:end], text[end]) for text in texts for end in range(1, len(text))))


def _vocabulary(alphabet, merges) -> dict[str, int]:
    tokens = dict.fromkeys([*alphabet, *(left + right for left, right in merges)])
    return {token: number for number, token in enumerate(tokens)}


def _byte_level():
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    line = "\u010a"  # a newline in the byte-level alphabet
    merges = _merges([*WORDS, line + line, "." + line])
    tokenizer = Tokenizer(models.BPE(_vocabulary(sorted(pre_tokenizers.ByteLevel.alphabet()), merges), merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _pieces(family: Family):
    from tokenizers import Tokenizer, decoders, models, normalizers

    blank = "\u2581"
    merges = _merges([*WORDS, blank + "["])
    own_line = [] if family.prefix else ["\n"]  # Gemma has a token for a newline, the others fall back to its byte
    alphabet = [f"<0x{byte:02X}>" for byte in range(256)] + [blank, *map(chr, range(33, 127)), *own_line]
    tokenizer = Tokenizer(models.BPE(_vocabulary(alphabet, merges), merges, byte_fallback=True))
    first = [normalizers.Prepend(blank)] if family.prefix else []
    tokenizer.normalizer = normalizers.Sequence([*first, normalizers.Replace(" ", blank)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(blank, " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer
