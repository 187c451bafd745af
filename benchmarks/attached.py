"""Attached models side by side on one core: `python -m benchmarks.attached [--base smollm2 qwen3] [--json FILE]`.

A bare base, LoRA and DoRA (peft, unmerged), peft's Shadow, shadow-peft and ours, all in CPU time. Parts:

decode, prefill   The methods take turns within every round; a ratio is the median over rounds. LoRA and DoRA have rank
                  8, the shadows rank 16 and random weights; ours has the paper's dialect.
training          Each method in a process of its own, twice in turn, its fastest step of `--rounds` after one to warm
                  up, all with about as many weights as ours in peft's dialect. Peak memory is that of the steps.
speculation       The trained bundle over smollm2, whatever `--base` says: each text once, by the attached model, by the
                  base and speculating; ratios are those of the sums.

A part that was measured before and is not asked for again is kept in the JSON file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel

from benchmarks import contestants
from shadow_intent.bundle import Bundle
from shadow_intent.cloud import plan
from shadow_intent.cloud.base import load_base, load_tokenizer
from shadow_intent.shadow import Costs, Speculator, frequent_tokens, load_shadow
from shadow_intent.shadow.pace import LENGTHS
from training import rivals
from training.corpus import Exchange, read_exchanges, split_exchanges

PROMPT = 24
PREFILLS = (32, 128, 512, 2048)
TRAIN_BATCH, TRAIN_LENGTH, TURNS = 16, 24, 2
PARTS = ("decode", "prefill", "training", "speculation")
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


def cpu_time(action: Callable[[], Any]) -> float:
    """Seconds of CPU time of this thread, the only one that computes."""
    start = time.thread_time()
    action()
    return time.thread_time() - start


def take_turns(actions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds (median) and the ratio to the first action (median over rounds) of each action."""
    for action in actions.values():
        action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            times[name].append(cpu_time(action))
    first = next(iter(times.values()))
    return {
        name: {
            "ms": round(1e3 * statistics.median(own), 2),
            "ratio": round(statistics.median(a / b for a, b in zip(own, first, strict=True)), 3),
        }
        for name, own in times.items()
    }


@torch.inference_mode()
def decode(base: PreTrainedModel, batch: int, tokens: int, rounds: int) -> dict[str, Any]:
    """Greedy generation of `tokens` new tokens after a prompt of `PROMPT`, with a cache, milliseconds per token."""
    ids = torch.randint(5, base.config.vocab_size, (batch, PROMPT), generator=torch.Generator().manual_seed(1))
    options = {
        "attention_mask": torch.ones_like(ids),
        "max_new_tokens": tokens,
        "min_new_tokens": tokens,
        "do_sample": False,
        "use_cache": True,
        "pad_token_id": 0,
    }
    models: dict[str, Any] = {name: make(base) for name, make in contestants.METHODS.items()}
    turns = take_turns({n: partial(m.generate, input_ids=ids, **options) for n, m in models.items()}, rounds)
    return {name: {**row, "ms": round(row["ms"] / tokens, 2)} for name, row in turns.items()}


@torch.inference_mode()
def prefill(base: PreTrainedModel, length: int, rounds: int) -> dict[str, Any]:
    """One pass over a prompt of `length` tokens with a cache, logits of the last one."""
    ids = torch.randint(5, base.config.vocab_size, (1, length), generator=torch.Generator().manual_seed(1))
    chosen = {name: contestants.METHODS[name](base) for name in ("base", "peft Shadow", "ours")}
    options = {"use_cache": True, "logits_to_keep": 1}
    return take_turns({n: partial(m, input_ids=ids, **options) for n, m in chosen.items()}, rounds)


def training_step(name: str, base_name: str, steps: int) -> dict[str, Any]:
    """Tokens per second of CPU time and peak memory of a few steps at the number of weights that ours trains."""
    base = contestants.BASES[base_name](torch.float32)
    target = rivals.trainable(contestants.ours(base, "peft"))
    if name in ("LoRA", "DoRA"):
        rank = rivals.lora_rank_for(base, target)
        model: Any = rivals.lora(base, rank, dora=name == "DoRA")
    else:
        model = contestants.ours(base, "peft") if name == "ours" else contestants.METHODS[name](base)
    model.train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-5)
    ids = torch.randint(5, base.config.vocab_size, (TRAIN_BATCH, TRAIN_LENGTH))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM starts anew from here, see proc(5)
    before = memory("VmRSS")

    def step() -> None:
        model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step()
    seconds = min(cpu_time(step) for _ in range(steps))
    peak = memory("VmHWM")
    return {
        "trainable": sum(weight.numel() for weight in weights),
        "tokens_per_s": round(ids.numel() / seconds, 1),
        "peak_mib": round(peak / 1024),
        "step_mib": round((peak - before) / 1024),
    }


def memory(name: str) -> int:
    """A field of /proc/self/status in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def training(base_name: str, steps: int) -> dict[str, Any]:
    """`training_step` of every method in a process of its own, `TURNS` times in turn; the fastest counts."""
    rows: dict[str, dict[str, Any]] = {}
    for name in [name for name in contestants.METHODS if name != "base"] * TURNS:
        command = [sys.executable, "-m", "benchmarks.attached", "--base", base_name, "--step", name]
        output = subprocess.run([*command, "--rounds", str(steps)], capture_output=True, text=True, check=True).stdout
        row = json.loads(output.splitlines()[-1])
        rows[name] = max(row, rows.get(name, row), key=lambda one: one["tokens_per_s"])
    for row in rows.values():
        row["ratio_to_peft"] = round(row["tokens_per_s"] / rows["peft Shadow"]["tokens_per_s"], 3)
    return rows


def answers(exchanges: Sequence[Exchange], tokenizer: Any) -> list[list[int]]:
    """Token ids of the English answers, plan and reply."""
    spoken = [exchange for exchange in exchanges if exchange.language == "en"]
    return [tokenizer(plan.render(e.reply, e.steps), add_special_tokens=False).input_ids for e in spoken]


@torch.inference_mode()
def speculation(bundle: str, count: int, tokens: int) -> dict[str, Any]:
    """Held-out requests and free text with a trained shadow: acceptance, tokens per pass, ratios of CPU time."""
    base, tokenizer = load_base(), load_tokenizer()
    end: Any = tokenizer.eos_token_id
    model = load_shadow(Bundle.load(bundle).path, base).attach(rivals.same_weights(base)).eval()
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
        rows[name] = _speculate(base, model, writers[name], texts, tokens, end)
        rows[name] |= {"verify": costs.verify, "draft": round(costs.draft, 3), "break_even": break_even(costs)}
    return rows


def break_even(costs: Costs) -> float | None:
    """Least acceptance, in hundredths, at which drafting some length pays; None when none does."""
    for percent in range(101):
        tokens = [sum((percent / 100) ** i for i in range(length + 1)) for length in LENGTHS]
        if any(written > costs.of(length) for written, length in zip(tokens, LENGTHS, strict=True) if length):
            return percent / 100
    return None


def _speculate(
    base: Any, model: Any, writer: Speculator, texts: Sequence[list[int]], tokens: int, end: int
) -> dict[str, Any]:
    """Bare base, attached one by one and attached with speculation, taking turns at the same texts."""
    seconds = {"base": 0.0, "attached": 0.0, "speculating": 0.0}
    count = {"passes": 0, "drafted": 0, "accepted": 0, "written": 0, "same": 0}
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
        count["same"] += int(torch.equal(result.tokens, written["attached"]))
    return {
        "texts": len(texts),
        "same_as_one_by_one": count["same"],
        "drafted": count["drafted"],
        "acceptance": round(count["accepted"] / count["drafted"], 3) if count["drafted"] else None,
        "tokens_per_pass": round((count["written"] - len(texts)) / max(1, count["passes"]), 2),
        "ms_per_token": {name: round(1e3 * value / count["written"], 2) for name, value in seconds.items()},
        "ratio_to_base": round(seconds["speculating"] / seconds["base"], 3),
        "attached_ratio_to_base": round(seconds["attached"] / seconds["base"], 3),
    }


def show(results: dict[str, Any]) -> None:
    """Prints what was measured."""
    console = Console()
    for base, parts in results["bases"].items():
        rates = {key: part for key, part in parts.items() if key.startswith(("decode", "prefill"))}
        if rates:
            table = Table(title=f"{base}: CPU ms per token (decode) or prompt (prefill), ratio to the bare base")
            table.add_column("")
            for name in rates:
                table.add_column(name, justify="right")
            for method in contestants.METHODS:
                cells = [part.get(method) for part in rates.values()]
                table.add_row(method, *(f"{c['ms']:.1f}  {c['ratio']:.2f}" if c else "" for c in cells))
            console.print(table)
        if "training" in parts:
            table = Table("", "weights", "tokens/s", "ratio to peft Shadow", "peak MiB", title=f"{base}: training")
            for name, row in parts["training"].items():
                keys = ("tokens_per_s", "ratio_to_peft", "peak_mib")
                table.add_row(name, f"{row['trainable']:,}", *(str(row[key]) for key in keys))
            console.print(table)
    if "speculation" in results:
        columns = (
            "drafted",
            "accepted",
            "break-even",
            "draft cost",
            "tokens/pass",
            "ratio to base",
            "one by one",
            "same",
        )
        table = Table("", *columns, title="self-speculation, smollm2")
        for name, row in results["speculation"].items():
            figures = (
                "drafted",
                "acceptance",
                "break_even",
                "draft",
                "tokens_per_pass",
                "ratio_to_base",
                "attached_ratio_to_base",
            )
            table.add_row(name, *(str(row[key]) for key in figures), f"{row['same_as_one_by_one']} of {row['texts']}")
        console.print(table)


def measure(given: argparse.Namespace, results: dict[str, Any]) -> Iterator[str]:
    """Measures the parts asked for into `results`; yields the name of each once it is there."""
    for name in given.base:
        parts = results["bases"].setdefault(name, {})
        if {"decode", "prefill"} & set(given.parts):
            base = contestants.BASES[name](getattr(torch, given.dtype))
            for batch in given.batches if "decode" in given.parts else ():
                parts[f"decode, batch {batch}"] = decode(base, batch, given.tokens, given.rounds)
                yield f"{name}: decode, batch {batch}"
            for length in given.prefills if "prefill" in given.parts else ():
                parts[f"prefill {length}"] = prefill(base, length, given.rounds)
                yield f"{name}: prefill {length}"
        if "training" in given.parts:
            parts["training"] = training(name, given.rounds)
            yield f"{name}: training"
    if "speculation" in given.parts:
        results["speculation"] = speculation(given.bundle, given.count, given.tokens)
        yield "speculation"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attached", description=__doc__.splitlines()[0])
    bases = list(contestants.BASES)
    parser.add_argument("--base", nargs="+", default=bases, choices=bases)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--prefills", nargs="+", type=int, default=PREFILLS)
    parser.add_argument("--tokens", type=int, default=64, help="new tokens (default: 64)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, or training steps (default: 3)")
    parser.add_argument("--count", type=int, default=6, help="texts of each kind for speculation (default: 6)")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--bundle", default="", help="whose shadow speculates (default: the shipped bundle)")
    parser.add_argument("--json", type=Path, help="add the results to this file")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if given.step:
        print(json.dumps(training_step(given.step, given.base[0], given.rounds)))
        return 0
    results: dict[str, Any] = {"bases": {}}
    if given.json and given.json.is_file():
        results = json.loads(given.json.read_text(encoding="utf-8"))
    for part in measure(given, results):
        print(f"measured: {part}", file=sys.stderr)
        if given.json:
            given.json.parent.mkdir(parents=True, exist_ok=True)
            given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    show(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
