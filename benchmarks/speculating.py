"""Self-speculation with a trained shadow, against its base and against the attached model one token at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.side_by_side import cpu_time
from shadow_intent.cloud import plan
from shadow_intent.cloud.base import load_base, load_tokenizer
from shadow_intent.shadow import Costs, Speculator, frequent_tokens, load_shadow
from shadow_intent.shadow.pace import LENGTHS
from training import rivals
from training.corpus import Exchange, read_exchanges, split_exchanges

SHORT_LIST = 4096
"""Frequent tokens that the shadow may draft."""
FREE = (
    "The old lighthouse at the end of the pier had been dark for many years when",
    "To bake a good loaf of bread, you first need to",
    "Photosynthesis is the process by which",
    "Dear Sir or Madam, I am writing to complain about",
    "Once upon a time, in a village between two rivers,",
    "The three most important causes of the First World War were",
)
"""Beginnings of free text, which no robot was trained on."""


def answers(exchanges: Sequence[Exchange], tokenizer: Any) -> list[list[int]]:
    """Token ids of the English answers, plan and reply."""
    spoken = [exchange for exchange in exchanges if exchange.language == "en"]
    return [tokenizer(plan.render(e.reply, e.steps), add_special_tokens=False).input_ids for e in spoken]


@torch.inference_mode()
def speculation(folder: Path, count: int, tokens: int) -> dict[str, Any]:
    """Held-out requests and free text with the shadow in a folder: acceptance, tokens per pass, ratios of CPU time."""
    base, tokenizer = load_base(), load_tokenizer()
    end: Any = tokenizer.eos_token_id
    model = load_shadow(folder, base).attach(rivals.same_weights(base)).eval()
    model.prepack()
    parts = split_exchanges(read_exchanges())
    spoken = [exchange for exchange in parts["test"] if exchange.language == "en"]
    prompts = {
        "in-domain replies": [plan.prompt_ids(tokenizer, exchange.text) for exchange in spoken[:count]],
        "free text": [tokenizer(text).input_ids for text in FREE[:count]],
    }
    known = frequent_tokens([*answers(parts["train"], tokenizer), *prompts["free text"]], SHORT_LIST)
    writers = {"in-domain replies": Speculator(model, draft_ids=known), "free text": Speculator(model)}
    example = torch.tensor([prompts["in-domain replies"][0]])
    for writer in writers.values():
        writer.calibrate(example, time.thread_time)
    rows: dict[str, Any] = {}
    for name, texts in prompts.items():
        costs = writers[name].costs
        rows[name] = speculate(base, model, writers[name], texts, tokens, end)
        rows[name] |= {"verify": costs.verify, "draft": round(costs.draft, 3), "break_even": break_even(costs)}
    return rows


def break_even(costs: Costs) -> float | None:
    """Least acceptance, in hundredths, at which drafting some length pays; None when none does."""
    for percent in range(101):
        tokens = [sum((percent / 100) ** i for i in range(length + 1)) for length in LENGTHS]
        if any(written > costs.of(length) for written, length in zip(tokens, LENGTHS, strict=True) if length):
            return percent / 100
    return None


def speculate(
    base: Any, model: Any, writer: Speculator, texts: Sequence[list[int]], tokens: int, end: int
) -> dict[str, Any]:
    """Bare base, attached one by one and attached with speculation, taking turns at the same texts.

    `lengths` of the result says before how many passes how many tokens were drafted.
    """
    seconds = {"base": 0.0, "attached": 0.0, "speculating": 0.0}
    count = {"passes": 0, "drafted": 0, "accepted": 0, "written": 0, "same": 0}
    lengths: Counter[int] = Counter()
    for ids in (torch.tensor([text]) for text in texts):
        options = {"max_new_tokens": tokens, "do_sample": False, "pad_token_id": end, "eos_token_id": end}
        written: dict[str, Any] = {}

        def run(name: str, action: Callable[[], Any], written: dict[str, Any] = written) -> None:
            seconds[name] += cpu_time(lambda: written.update({name: action()}))

        run("attached", lambda: model.generate(ids, **options))  # noqa: B023  called at once
        length = written["attached"].shape[1] - ids.shape[1]
        fixed = {**options, "max_new_tokens": length, "min_new_tokens": length}
        run("base", lambda: base.generate(ids, attention_mask=torch.ones_like(ids), **fixed))  # noqa: B023
        run("speculating", lambda: writer.generate(ids, max_new_tokens=tokens, eos_token_id=end))  # noqa: B023
        result = written["speculating"]
        for key in ("passes", "drafted", "accepted", "written"):
            count[key] += getattr(result, key)
        lengths.update(result.lengths)
        count["same"] += int(torch.equal(result.tokens, written["attached"]))
    return {
        "texts": len(texts),
        "same_as_one_by_one": count["same"],
        "passes": count["passes"],
        "drafted": count["drafted"],
        "lengths": {str(length): lengths[length] for length in sorted(lengths)},
        "acceptance": round(count["accepted"] / count["drafted"], 3) if count["drafted"] else None,
        "tokens_per_pass": round((count["written"] - len(texts)) / max(1, count["passes"]), 2),
        "ms_per_token": {name: round(1e3 * value / count["written"], 2) for name, value in seconds.items()},
        "ratio_to_base": round(seconds["speculating"] / seconds["base"], 3),
        "attached_ratio_to_base": round(seconds["attached"] / seconds["base"], 3),
    }
