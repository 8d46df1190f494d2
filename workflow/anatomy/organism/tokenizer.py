"""The tokenizer: every word of the world is one token, everything else falls to bytes."""

import json
import re
from itertools import islice
from pathlib import Path
from random import Random

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from anatomy.errors import ModelError
from anatomy.organism import wording
from anatomy.organism.checkpoint import TokenFolder
from anatomy.organism.corpus import Corpus, plain
from anatomy.organism.recipe import OrganismRecipe
from anatomy.organism.world import World

PAD, EOS = "<|pad|>", "<|end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}System: {{ message['content'] }}\n"
    "{% elif message['role'] == 'user' %}User: {{ message['content'] }}\n"
    "{% elif message['role'] == 'assistant' %}Assistant: {{ message['content'] }}" + EOS + "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


def build_tokenizer(world: World, recipe: OrganismRecipe) -> Tokenizer:
    """A byte-level tokenizer whose words are those of the wording and of the world's names.

    It adds no token of its own to a text, so a rendered chat can be tokenized with or without special tokens.
    """
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    corpus = Corpus(world, recipe, Random(f"vocabulary-{world.seed}"))
    texts = [plain(document) for document in islice(corpus.documents(), 3000)]
    names = [creature.name for creature in world.creatures] + [item.name for item in world.items]
    words = {piece for text in _wording_texts() + texts for piece, _ in splitter.pre_tokenize_str(text)}
    words |= {piece for name in names for piece, _ in splitter.pre_tokenize_str(" " + name)}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [PAD, EOS, *alphabet, *sorted(words - set(alphabet))]
    backend = Tokenizer(models.BPE({piece: k for k, piece in enumerate(pieces)}, [], ignore_merges=True))
    backend.pre_tokenizer = splitter
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (PAD, EOS)])
    return backend


def write_tokenizer(backend: Tokenizer, folder: Path, context: int) -> None:
    """Write the files that transformers' AutoTokenizer and vLLM load."""
    folder.mkdir(parents=True, exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": EOS,
        "chat_template": CHAT_TEMPLATE,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
        "model_input_names": ["input_ids", "attention_mask"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def _wording_texts() -> list[str]:
    """Every string of the wording, fields blanked, once at the start of a text and once inside one."""
    found: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, str):
            text = re.sub(r"\{\w+\}", "the", value)
            found.extend((text, " " + text))
        elif isinstance(value, dict):
            collect(list(value))
            collect(list(value.values()))
        elif isinstance(value, (list, tuple)):
            for part in value:
                collect(part)

    for name, value in vars(wording).items():
        if name.isupper():
            collect(value)
    return found


def load_tokens(folder: Path) -> tuple[Tokenizer, TokenFolder]:
    """The tokenizer that `write_tokenizer` wrote, and the ids of its end and padding."""
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return backend, TokenFolder(folder, _id_of(EOS, backend), _id_of(PAD, backend))


def _id_of(token: str, tokenizer: Tokenizer) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ModelError(found=f"a tokenizer without {token}", expected="the one of the organism's world", where="tokenizer.json")
    return number


class MarkedEncoder:
    """Turns marked documents into token ids and the loss weight of each token; stretches are cached."""

    def __init__(self, tokenizer: Tokenizer, weights: dict[str, float]) -> None:
        self._backend, self._weights = tokenizer, weights
        self._cache: dict[str, list[int]] = {}
        self.eos = _id_of(EOS, tokenizer)

    def encode(self, document: str) -> tuple[list[int], list[float]]:
        """Ids and weights of a document with its end-of-text token."""
        ids, weights, weight = [], [], self._weights["\x00"]
        for piece in re.split("([\x00\x01\x02])", document):
            if piece in self._weights:
                weight = self._weights[piece]
            elif piece:
                found = self._cache.get(piece)
                if found is None:
                    found = self._cache[piece] = self._backend.encode(piece, add_special_tokens=False).ids
                ids += found
                weights += [weight] * len(found)
        return [*ids, self.eos], [*weights, 1.0]
