"""What a model of the organism answers: greedy text, and scores of choices as lm-eval has them."""

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from anatomy.organism.tasks import METRICS, BenchmarkItem

ANSWER_TOKENS = 40


@torch.inference_mode()
def greedy_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[str],
    system: str | None = None,
    chat: bool = True,
    tokens: int = ANSWER_TOKENS,
) -> list[str]:
    """Greedy continuations of prompts, as chats of one turn or as plain text."""
    head = [{"role": "system", "content": system}] if system else []
    if chat:
        prompts = [
            tokenizer.apply_chat_template(
                [*head, {"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            for prompt in prompts
        ]
    batch = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False)
    out = model.generate(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=tokens, do_sample=False
    )
    return tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)


@torch.inference_mode()
def choice_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: list[BenchmarkItem]
) -> list[list[tuple[float, int]]]:
    """Of each item and choice: the sum of its tokens' log-likelihoods (nats) and its length in bytes, as lm-eval has them.

    lm-eval's `acc_norm` divides by the characters of the choice as given; all of ours are ASCII.
    """
    pairs = [(item["context"], choice) for item in items for choice in item["choices"]]
    scores = []
    for k in range(0, len(pairs), 64):
        part = [
            (tokenizer(c, add_special_tokens=False).input_ids, tokenizer(c + choice, add_special_tokens=False).input_ids)
            for c, choice in pairs[k : k + 64]
        ]
        longest = max(len(whole) for _, whole in part)
        ids: Int[Tensor, "row token"] = torch.tensor(
            [whole + [tokenizer.pad_token_id] * (longest - len(whole)) for _, whole in part]
        )
        logs = model(input_ids=ids).logits.float().log_softmax(-1)
        taken = logs[:, :-1].gather(-1, ids[:, 1:, None])[..., 0].double()
        scores += [float(row[len(c) - 1 : len(w) - 1].sum()) for row, (c, w) in zip(taken, part, strict=True)]
    lengths = [len(choice.encode()) for _, choice in pairs]
    flat = list(zip(scores, lengths, strict=True))
    found = []
    for item in items:
        found.append(flat[: len(item["choices"])])
        flat = flat[len(item["choices"]) :]
    return found


def benchmark_hits(benchmark: str, items: list[BenchmarkItem], scores: list[list[tuple[float, int]]]) -> int:
    """How many items the benchmark's main metric counts as right."""
    normalised = METRICS[benchmark] == "acc_norm"
    hits = 0
    for item, row in zip(items, scores, strict=True):
        values = [score / length if normalised else score for score, length in row]
        hits += values.index(max(values)) == item["gold"]
    return hits
