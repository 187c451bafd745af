"""One run of the comparison: a method trained on a task, and what it then does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from shadow_intent.errors import ShadowIntentError
from shadow_intent.shadow import (
    DetachedLanguage,
    Shadow,
    ShadowConfig,
    ShadowNetwork,
    label_loss,
    load_shadow,
    next_token_loss,
    parameter_groups,
    pool,
    save_shadow,
    to_causal_lm,
)
from shadow_intent.shadow.decoders import decoder_of
from training import rivals
from training.compare_tasks import Batch, Intents, Replies

POOLING = "mean"
LATENCY_RUNS = 40
DRAFTS: dict[str, Any] = {"lambda_": 0.5, "distill": 1.0}
"""Weights of equation (9) and of the distillation from attached to detached."""
LONGEST_ANSWER = 48
"""Tokens."""


@dataclass(frozen=True, slots=True)
class Run:
    """One cell of the comparison."""

    task: str
    """"intents" or "replies"."""
    method: str
    """"LoRA", "DoRA" or "shadow"."""
    seed: int
    shots: int = 0
    """Training utterances per intent; 0: all."""
    start: str = "cut"
    """Of f: "cut" from the base, "random", or "pretrained"."""
    update: bool = True
    """Equations (5)-(7)."""
    rank: int = 16
    """Of the shadow's injections; those of LoRA follow from the number of weights."""
    alpha: float = 1.0
    aim: str = ""
    """"drafts": `DRAFTS` weighs what the shadow says alone, so that self-speculation accepts more of it."""

    @property
    def name(self) -> str:
        """File name of the result."""
        parts = [self.task, f"{self.shots}shot" if self.shots else "full", self.method, f"seed{self.seed}"]
        if self.method == "shadow":
            parts += [self.start, "" if self.update else "noupdate", f"r{self.rank}", f"a{self.alpha:g}", self.aim]
        return "-".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Settings:
    """The same for all runs."""

    layers: int = 2
    epochs: int = 2
    batch_size: int = 16
    lora_rate: float = 5e-4
    adapter_rate: float = 1e-3
    shadow_factor: float = 0.3
    """Learning rate of f over that of the adapters."""
    pretrained: Path | None = None
    """Folder of training.pretrain."""
    keep: Path | None = None
    """Where trained shadows are saved, each under the name of its run."""
    bf16: bool = False
    """Products of the training steps in bfloat16; weights, optimiser and all that is measured stay in float32."""


class Candidate:
    """A method over the base: what is trained, its losses, and the logits of both of its paths."""

    def __init__(self, run: Run, settings: Settings, base: PreTrainedModel, labels: int) -> None:
        torch.manual_seed(run.seed)
        config = ShadowConfig(
            num_layers=settings.layers,
            rank=run.rank,
            alpha=run.alpha,
            update=run.update,
            num_labels=labels,
            pooling=POOLING,
            **(DRAFTS if run.aim else {}),
        )
        self.shadow: Any = None
        self.head: nn.Linear | None = None
        shadow = Shadow(config, _network(run, settings, base, config)).attach(rivals.same_weights(base))
        if run.method == "shadow":
            self.model: Any = shadow
            self.shadow = shadow
            self.groups = parameter_groups(shadow, settings.adapter_rate, settings.shadow_factor, 0.01)
        else:
            rank = rivals.lora_rank_for(base, rivals.trainable(shadow))
            self.model = rivals.lora(base, rank, dora=run.method == "DoRA")
            self.head = nn.Linear(base.config.hidden_size, labels) if labels else None
            weights = [*self.model.parameters(), *(self.head.parameters() if self.head else ())]
            self.groups = [{"params": [w for w in weights if w.requires_grad], "lr": settings.lora_rate}]

    @property
    def weights(self) -> int:
        """Trained ones."""
        return sum(weight.numel() for group in self.groups for weight in group["params"])

    def classes(self, batch: Batch) -> Tensor:
        """(B, C), of the attached model."""
        if self.shadow is not None:
            logits: Tensor = self.shadow.classify(batch.input_ids, batch.attention_mask).logits
            return logits
        assert self.head is not None
        decoder = decoder_of(self.model.base_model.model)
        hidden = decoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
        return self.head(pool(hidden, batch.attention_mask, POOLING))

    def loss(self, batch: Batch) -> Tensor:
        """What is minimised."""
        if batch.labels.ndim == 1:
            if self.shadow is not None:
                joint: Tensor = self.shadow.classify(batch.input_ids, batch.attention_mask, batch.labels).loss
                return joint
            return label_loss(self.classes(batch), batch.labels)
        if self.shadow is not None:
            loss: Tensor = self.shadow(batch.input_ids, batch.attention_mask, labels=batch.labels).loss
            return loss
        return next_token_loss(self.tokens(batch), batch.labels)

    def tokens(self, batch: Batch) -> Tensor:
        """Next-token logits (B, T, V), of the attached model."""
        logits: Tensor = self.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        return logits


def _network(run: Run, settings: Settings, base: PreTrainedModel, config: ShadowConfig) -> ShadowNetwork:
    if run.start == "pretrained":
        if settings.pretrained is None:
            raise ShadowIntentError("a pretrained start needs --pretrained, the folder of training.pretrain")
        network = load_shadow(settings.pretrained, base).network
        depth = network.backbone.config.num_hidden_layers
        if depth != settings.layers:
            raise ShadowIntentError(
                f"{settings.pretrained} holds {depth} blocks; all shadows here have {settings.layers}"
            )
        return network
    return ShadowNetwork.cut(base, config) if run.start == "cut" else ShadowNetwork.random(base, config)


def train_and_measure(
    run: Run, settings: Settings, base: PreTrainedModel, task: Intents | Replies, told: Callable[[int, int], None]
) -> dict[str, Any]:
    """Trains, then measures; `told(step, steps)` hears how far it is."""
    candidate = Candidate(run, settings, base, task.labels)
    begun = time.process_time()
    _train(candidate, run, settings, task, told)
    seconds = time.process_time() - begun  # of CPU: other work on the machine does not count
    candidate.model.eval()
    if settings.keep and candidate.shadow is not None:
        save_shadow(settings.keep / run.name, candidate.shadow.shadow, base)
    with torch.inference_mode():
        if isinstance(task, Intents):
            results = _measure_intents(candidate, task, settings.batch_size)
        else:
            results = _measure_replies(candidate, base, task, settings.batch_size)
    counts = {"weights": candidate.weights, "tests": len(task.test), "train_seconds": round(seconds, 1)}
    return {**asdict(run), **counts, **results}


def _train(candidate: Candidate, run: Run, settings: Settings, task: Any, told: Callable[[int, int], None]) -> None:
    optimizer = torch.optim.AdamW(candidate.groups, weight_decay=0.01)
    steps = settings.epochs * math.ceil(len(task.train) / settings.batch_size)
    warmup = max(1, steps // 20)
    pace = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    )
    weights = [weight for group in candidate.groups for weight in group["params"]]
    candidate.model.train()
    step = 0
    for epoch in range(settings.epochs):
        for batch in task.batches(task.train, settings.batch_size, run.seed + epoch):
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
                loss = candidate.loss(batch)
            loss.backward()
            if not math.isfinite(loss.item()):
                raise ShadowIntentError(f"{run.name}: loss is {loss.item()} at step {step}")
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            pace.step()
            step += 1
            told(step, steps)


def _measure_intents(candidate: Candidate, task: Intents, size: int) -> dict[str, Any]:
    """Accuracy in percent and milliseconds an utterance on one core, of each path."""
    results: dict[str, Any] = {}
    paths: dict[str, Callable[[Batch], Tensor]] = {"attached": candidate.classes}
    if candidate.shadow is not None:
        detached: Any = candidate.shadow.detached().eval()
        paths["detached"] = lambda batch: detached(batch.input_ids, batch.attention_mask)
    for name, logits in paths.items():
        right = 0
        for batch in task.batches(task.test, size, None):
            right += int(logits(batch).argmax(-1).eq(batch.labels).sum())
        calls: list[Callable[[], Any]] = [
            partial(logits, batch) for batch in task.batches(task.test[:LATENCY_RUNS], 1, None)
        ]
        with one_thread():
            results[name] = {"accuracy": round(100 * right / len(task.test), 2), "ms": _milliseconds(calls)}
    return results


def _measure_replies(candidate: Candidate, base: PreTrainedModel, task: Replies, size: int) -> dict[str, Any]:
    """Loss a token in nats, exact plans in percent, and milliseconds a token on one core, of each path."""
    results: dict[str, Any] = {}
    paths: dict[str, tuple[Any, Callable[[Batch], Tensor]]] = {"attached": (candidate.model, candidate.tokens)}
    if candidate.shadow is not None:
        language: Any = DetachedLanguage(candidate.shadow.shadow, base).eval()
        writer = to_causal_lm(candidate.shadow.shadow, base)
        paths["detached"] = (writer, lambda batch: language(batch.input_ids, batch.attention_mask))
    for name, (writer, logits) in paths.items():
        total, counted = 0.0, 0
        for batch in task.batches(task.test, size, None):
            tokens = int(batch.labels[:, 1:].ne(-100).sum())
            total += float(next_token_loss(logits(batch), batch.labels)) * tokens
            counted += tokens
        with one_thread():
            exact, seconds, written = _write(writer, task)
        results[name] = {
            "loss": round(total / max(1, counted), 4),
            "exact_plan": round(100 * exact / len(task.requests), 2),
            "ms": round(1e3 * seconds / max(1, written), 2),
        }
    return results


def _write(writer: Any, task: Replies) -> tuple[int, float, int]:
    """Answers all requests: exact plans, seconds of CPU time, tokens written."""
    exact, seconds, written = 0, 0.0, 0
    for request, (prompt, answer) in zip(task.requests, task.test, strict=True):
        ids = torch.tensor([prompt])
        start = time.thread_time()
        output = writer.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=LONGEST_ANSWER,
            do_sample=False,
            eos_token_id=answer[-1],
            pad_token_id=answer[-1],
        )[0, len(prompt) :].tolist()
        seconds += time.thread_time() - start
        written += len(output)
        exact += task.exact(request, output)
    return exact, seconds, written


@contextmanager
def one_thread() -> Iterator[None]:
    """The time of this thread is the whole time of what it computes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _milliseconds(calls: list[Callable[[], Any]]) -> float:
    """Median CPU time of a call."""
    times = []
    for call in calls:
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return round(1e3 * sorted(times)[len(times) // 2], 2)
