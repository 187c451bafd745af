"""Joint training of one shadow: intents from s⁰ (detached) and replies through the base (attached).

`python -m training.train --run build/run` writes run/shadow (weights), run/vocabulary (tokenizer and token rows) and
run/state.pt, from which an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from shadow_intent.cloud.base import load_base, load_tokenizer
from shadow_intent.errors import ShadowIntentError
from shadow_intent.shadow import (
    DetachedShadow,
    Shadow,
    ShadowedModel,
    ShadowNetwork,
    attach,
    save_shadow,
)
from shadow_intent.skills import load_skills
from training.batches import ExchangeBatches, UtteranceBatches
from training.corpus import read_corpus, read_exchanges, split
from training.recipe import DEFAULT, Recipe
from training.vocabulary import Vocabulary, prune

STATE = "state.pt"
SHADOW = "shadow"
TOKENIZER = "tokenizer.json"
ROWS = "rows.json"
NEW_ROWS = "new_rows.safetensors"


class TokenRows(nn.Module):
    """The robot's embedding table: rows of the base, frozen, and trainable rows for tokens the base does not have."""

    def __init__(self, table: Tensor, rows: list[list[int]], dropout: float = 0.0) -> None:
        """`table`: the base's embedding (V, d); `rows`: base ids per robot token, see `Vocabulary`."""
        super().__init__()
        means = torch.stack([table[row].mean(0) for row in rows])  # (V', d)
        new = torch.tensor([i for i, row in enumerate(rows) if len(row) > 1], dtype=torch.long)
        self.register_buffer("known", means, persistent=False)
        self.register_buffer("index", new, persistent=False)
        self.new = nn.Parameter(means[new].clone())  # (V_new, d)
        self.dropout = nn.Dropout(dropout)

    @property
    def weight(self) -> Tensor:
        """(V', d), new rows in place."""
        return self.known.index_copy(0, self.index, self.new)

    def forward(self, input_ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, d)"""
        return self.dropout(F.embedding(input_ids, self.weight))


class Run:
    """Everything a run holds: model, data, optimiser, and where it is."""

    def __init__(self, recipe: Recipe, folder: Path, start: Shadow | None = None) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        self.labels = tuple(load_skills().skills)
        examples, exchanges = read_corpus(), read_exchanges()
        self.parts = split(examples)
        self.base = load_base(recipe.base)
        tokenizer = load_tokenizer(recipe.base)
        train = self.parts["train"]
        self.vocabulary = prune(tokenizer.backend_tokenizer, [e.text for e in train], recipe.frequent_merges)
        self.model, self.rows = build(self.base, recipe, self.labels, self.vocabulary)
        self.utterances = UtteranceBatches(train, self.labels, self.vocabulary.tokenizer, recipe.max_tokens)
        self.exchanges = ExchangeBatches([x for x in exchanges if not held_out(x.text)], tokenizer)
        self.detached = DetachedShadow(
            self.model.network, self.model.heads, self.model.shadow_config, self.rows
        )
        self.feature_dropout = nn.Dropout(recipe.feature_dropout)
        self.steps_per_epoch = math.ceil(len(self.utterances) / recipe.batch_size)
        self.steps = recipe.epochs * self.steps_per_epoch
        self.optimizer, self.scheduler = self._optimizer()
        self.trainable = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.average = [p.detach().clone() for p in self.trainable]
        self.step = 0

    def _optimizer(self) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        r, heads = self.recipe, self.model.heads
        groups = [
            {"params": list(self.model.network.parameters()), "lr": r.learning_rate},
            {"params": [*heads.shadow.parameters(), self.rows.new], "lr": r.head_learning_rate},
            {"params": list(self.model.adapters.parameters()), "lr": r.reply_learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=r.weight_decay)
        warmup = max(1, int(r.warmup * self.steps))

        def factor(step: int) -> float:
            rise = min(1.0, (step + 1) / warmup)
            return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))

        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    def train(self, log_every: int = 20) -> None:
        """Runs to the end, saving the state after every epoch."""
        reply_steps = self.recipe.reply_epochs * math.ceil(len(self.exchanges) / self.recipe.reply_batch_size)
        every = max(1, self.steps // max(1, reply_steps))
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        with Progress(*columns, TimeRemainingColumn()) as progress:
            task = progress.add_task("training", total=self.steps, completed=self.step)
            while self.step < self.steps:
                epoch = self.step // self.steps_per_epoch
                generator = torch.Generator().manual_seed(self.recipe.seed + epoch)
                torch.manual_seed(self.recipe.seed + epoch)
                replies = self._replies(generator)
                self.model.network.train()
                self.model.adapters.train()
                self.rows.train()
                batches = self.utterances.epoch(self.recipe.batch_size, generator, self.recipe.token_dropout)
                for batch in batches:
                    loss = self._intent_loss(batch)
                    reply_loss = self._reply_loss(next(replies)) if self.step % every == 0 and reply_steps else None
                    self._update(loss)
                    self.step += 1
                    progress.update(task, advance=1)
                    if self.step % log_every == 0:
                        note = f"intent {loss.item():.3f}"
                        if reply_loss is not None:
                            note += f" reply {reply_loss.item():.3f}"
                        progress.update(task, description=note)
                self.save_state()
                progress.console.print(f"epoch {epoch + 1}: intent loss {loss.item():.3f}")

    def _replies(self, generator: torch.Generator) -> Iterator[Any]:
        while True:
            yield from self.exchanges.epoch(self.recipe.reply_batch_size, generator)

    def _intent_loss(self, batch: Any) -> Tensor:
        features = self.feature_dropout(self.detached.features(batch.input_ids, batch.attention_mask))
        logits = self.model.heads.shadow(features)
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=self.recipe.label_smoothing)
        loss.backward()
        return loss

    def _reply_loss(self, batch: Any) -> Tensor:
        """Equation (9): the answer through the base plus λ times the answer from s⁰ alone."""
        output = self.model(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            labels=batch.labels,
            prefix_length=batch.prefix_length,
            use_cache=False,
        )
        output.loss.backward()
        return output.loss

    def _update(self, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            raise ShadowIntentError(f"loss is {loss.item()} at step {self.step}; lower the learning rate in the recipe")
        nn.utils.clip_grad_norm_(self.trainable, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.scheduler.step()
        decay = min(self.recipe.average_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.trainable, 1 - decay)

    def save_state(self) -> None:
        """Everything needed to go on, written beside and then moved into place."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "recipe": self.recipe.as_dict(),
            "step": self.step,
            "weights": self.trainable,
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }
        torch.save(state, self.folder / f"{STATE}.part")
        (self.folder / f"{STATE}.part").replace(self.folder / STATE)

    def resume(self) -> None:
        """Goes back to the last saved epoch, if there is one of the same recipe."""
        if not (self.folder / STATE).is_file():
            return
        state = torch.load(self.folder / STATE, weights_only=True)
        if state["recipe"] != self.recipe.as_dict():
            raise ShadowIntentError(f"{self.folder / STATE} belongs to another recipe; give another --run folder")
        with torch.no_grad():
            for own, saved in zip([*self.trainable, *self.average], [*state["weights"], *state["average"]], strict=True):
                own.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.step = state["step"]

    def finish(self) -> None:
        """Writes the averaged weights, the tokenizer and the token rows."""
        with torch.no_grad():
            for own, mean in zip(self.trainable, self.average, strict=True):
                own.copy_(mean)
        save_shadow(self.folder / SHADOW, Shadow.of(self.model), self.base)
        self.vocabulary.tokenizer.save(str(self.folder / TOKENIZER))
        (self.folder / ROWS).write_text(json.dumps(self.vocabulary.rows), encoding="utf-8")
        save_file({"new": self.rows.new.detach()}, self.folder / NEW_ROWS)


def held_out(text: str) -> bool:
    """One exchange in ten is kept for evaluation, by hash of its text."""
    import hashlib

    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10 == 0


def build(
    base: PreTrainedModel, recipe: Recipe, labels: tuple[str, ...], vocabulary: Vocabulary
) -> tuple[ShadowedModel, TokenRows]:
    """A fresh shadow cut from the base and attached to it, and the robot's token rows."""
    config = recipe.shadow(len(labels))
    network = ShadowNetwork.cut(base, config)
    table = base.get_input_embeddings().weight.detach()
    rows = TokenRows(table, vocabulary.rows, recipe.feature_dropout / 2)
    return attach(base, network, config), rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("build/run"), help="folder of this run (default: build/run)")
    parser.add_argument("--recipe", type=Path, default=DEFAULT, help="recipe file (default: training/recipe.yaml)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        run = Run(Recipe.load(arguments.recipe), arguments.run)
        run.resume()
        run.train()
        run.finish()
    except ShadowIntentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
