"""The tokens in which a judge can begin each word of a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anatomy.errors import ModelError
from anatomy.texts.judges.model_judges.format import Question


def token_texts(tokenizer: Any) -> list[str]:
    """What each token of the vocabulary reads, without the space it may carry; in lower case."""
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))], skip_special_tokens=True)
    return [text.strip().lower() for text in texts]


def candidate_tokens(tokenizer: Any, question: Question, texts: Sequence[str]) -> dict[str, list[int]]:
    """For each word of a question every token that is the word, whatever its case and leading space.

    A word that is no token anywhere is stood for by the tokens its spellings begin with.

    Args:
        texts: from ``token_texts``, read once for all questions.

    Raises:
        ModelError: two words begin with the same token, so that the first token decides nothing.
    """
    found = {}
    for word in question.words:
        whole = [token for token, text in enumerate(texts) if text == word]
        found[word] = whole or beginnings(tokenizer, word, texts)
    for word, tokens in found.items():
        for other, others in found.items():
            if word != other and set(tokens) & set(others):
                raise ModelError(
                    found=f"{word!r} and {other!r} begin with the same token",
                    expected="words that their first token tells apart",
                    where=f"the judge's tokenizer ({getattr(tokenizer, 'name_or_path', '')})",
                    remedy="choose other answers for the rubric",
                )
    return found


def beginnings(tokenizer: Any, word: str, texts: Sequence[str]) -> list[int]:
    """First tokens with a letter in them of the word's usual spellings."""
    found = []
    for spelling in (word, word.capitalize(), word.upper()):
        for text in (spelling, f" {spelling}", f"\n{spelling}"):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            found += [token for token in ids if texts[token]][:1]
    return sorted(set(found))
