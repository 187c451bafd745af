"""Joint training of one shadow: intents from s⁰ (detached) and replies through the base (attached).

`python -m training.train --run build/run` writes run/parts (the trained shadow and its vocabulary) and
run/state.pt, from which an interrupted run goes on after its last whole epoch. When the recipe narrows the shadow, wide
ones are trained first, in run/teacher, run/teacher2 and so on; the narrow one starts from what the first of them learnt
and keeps all as its teachers, beside a sentence encoder fine-tuned in run/encoder where the recipe says so. What the
base writes for it to learn on is in run/written.jsonl.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn
from torch.nn import functional as F

from shadow_intent.cloud.base import load_base, load_tokenizer
from shadow_intent.errors import ShadowIntentError
from shadow_intent.shadow import DetachedShadow, Shadow, distillation_loss, joint_loss, label_loss, listening, narrow
from shadow_intent.shadow.loss import IGNORE
from shadow_intent.skills import load_skills
from training.augment import Augmenter, Mixer, words_of
from training.batches import ExchangeBatches, Exchanges, UtteranceBatches, Utterances
from training.corpus import Example, Exchange, digest, read_corpus, read_exchanges, split, split_exchanges
from training.encoder_teacher import EncoderTeacher
from training.onednn import OneDnn
from training.parts import Parts
from training.recipe import DEFAULT, Recipe
from training.rows import RowThreads
from training.teachers import Teachers, feature_distance
from training.vocabulary import prune
from training.written import Writer

STATE = "state.pt"
PARTS = "parts"
LABELS = "labels.json"
"""In the order of the logits."""
TEACHER, ENCODER = "teacher", "encoder"
WRITTEN = "written.jsonl"
NARROWING_BATCHES = 100
"""Read to see which neurons matter."""


class Run:
    """Everything a run holds: model, data, optimiser, and where it is."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        examples: Sequence[Example],
        exchanges: Sequence[Exchange],
        start: Path | None = None,
        teachers: Sequence[Path] = (),
        labels: Sequence[str] = (),
        encoder: EncoderTeacher | None = None,
        written: Sequence[Example] = (),
    ) -> None:
        """A fresh cut of the base to train.

        `labels`: of the examples, in the order of the logits; those of the skill table when there are none.
        `start`: a bundle to go on from instead. `teachers`: parts to learn from, and the first to narrow, instead.
        `encoder`: fine-tuned, to learn from beside them. `written`: texts that only the teachers label.
        """
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        self.labels = tuple(labels or load_skills().skills)
        every = [*examples, *written]
        self.made_of = {
            "recipe": recipe.as_dict(),
            "order of labels": list(self.labels),
            "set of data": digest(every, exchanges),
        }
        self.base = load_base(recipe.base)
        tokenizer = load_tokenizer(recipe.base)
        if source := start or next(iter(teachers), None):
            self.parts = Parts.load(source, self.base, recipe.feature_dropout / 2)
        else:
            vocabulary = prune(tokenizer.backend_tokenizer, [e.text for e in examples], recipe.frequent_merges)
            self.parts = Parts.fresh(self.base, recipe, len(self.labels), vocabulary)
        self.every, self.utterances = every, self._batches(every)
        self.threads = RowThreads()
        self.teachers = Teachers(teachers, self.base, encoder, self._whole, self.threads)
        if self.teachers:
            self._narrow(self.teachers.wide[0])
        self.detached = self.parts.detached()
        self.model = self.parts.shadow.attach(self.base)
        self.exchanges = ExchangeBatches(exchanges, tokenizer, recipe.base_languages)
        self.feature_dropout = nn.Dropout(recipe.feature_dropout)
        self.augmenter = Augmenter(examples)
        self.made_per_epoch = int(recipe.augment * len(examples)) if self.augmenter else 0
        self.mixed_per_epoch = int(recipe.mixed * len(examples)) if self.teachers else 0
        more = dict.fromkeys(recipe.encoder_languages, words_of(tokenizer))
        self.mixer = Mixer(examples if self.mixed_per_epoch else (), more)
        made = self.made_per_epoch + self.mixed_per_epoch
        self.steps_per_epoch = math.ceil((len(self.utterances) + made) / recipe.batch_size)
        self.steps = max(recipe.epochs, math.ceil(recipe.least_steps / self.steps_per_epoch)) * self.steps_per_epoch
        width = self.parts.shadow.network.backbone.config.hidden_size
        self.projection = nn.Linear(width, encoder.width) if encoder else nn.Identity()  # onto the encoder's features
        self.optimizer, self.scheduler = self._optimizer()
        self.trainable = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.average = [p.detach().clone() for p in self.trainable]
        self.step = 0

    def _batches(self, examples: Sequence[Example]) -> UtteranceBatches:
        return UtteranceBatches(examples, self.labels, self.parts.vocabulary.tokenizer, self.recipe.max_tokens)

    def _whole(self, examples: Sequence[Example]) -> Iterator[Utterances]:
        """Each once, with all its tokens."""
        return self._batches(examples).epoch(self.recipe.batch_size, torch.Generator())

    def _narrow(self, wide: DetachedShadow) -> None:
        """Takes out those neurons of our own copy of `wide` that matter least to the training utterances."""
        generator = torch.Generator().manual_seed(self.recipe.seed)
        batches = self.utterances.epoch(self.recipe.batch_size, generator)
        with torch.no_grad(), listening(wide.network) as energy:
            for batch in islice(batches, NARROWING_BATCHES):
                wide(batch.input_ids, batch.attention_mask)
        own = self.parts.shadow
        network = narrow(own.network, self.recipe.mlp_width, energy)
        self.parts = replace(self.parts, shadow=Shadow(own.config, network, own.adapters, own.heads))

    def _optimizer(self) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        r = self.recipe
        head = [*self.parts.heads.shadow.parameters(), *self.projection.parameters()]
        groups = [
            {"params": list(self.model.network.parameters()), "lr": r.learning_rate},
            {"params": [*head, self.parts.rows.new], "lr": r.head_learning_rate},
            {"params": list(self.model.adapters.parameters()), "lr": r.reply_learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=r.weight_decay, fused=True)
        warmup = max(1, int(r.warmup * self.steps))

        def factor(step: int) -> float:
            rise = min(1.0, (step + 1) / warmup)
            return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))

        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    def train(self, limit: int = 0) -> None:
        """Runs to the end, or for at most `limit` steps, saving the state after every epoch."""
        last = min(self.steps, limit) if limit else self.steps
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
        with OneDnn(), Progress(*columns, TimeRemainingColumn()) as progress:
            task = progress.add_task("training", total=last, completed=self.step)
            while self.step < last:
                started = self.step
                progress.update(task, description="texts are made and read")
                for intent_loss, reply_loss in self._epoch():
                    note = f"intent loss {intent_loss:.3f}, reply loss {reply_loss:.3f}"
                    progress.update(task, completed=self.step, description=note)
                    if self.step >= last:
                        break
                self.save_state()
                progress.console.print(f"step {started}–{self.step} of {self.steps}: {note}")

    def _epoch(self) -> Iterator[tuple[float, float]]:
        """One pass over the utterances with reply batches in between; yields the latest losses after every step."""
        epoch = self.step // self.steps_per_epoch
        generator = torch.Generator().manual_seed(self.recipe.seed + epoch)
        torch.manual_seed(self.recipe.seed + epoch)
        replies, reply_loss = self._replies(generator), math.nan
        self.detached.train()
        self.model.train()
        made = [*self.augmenter.draw(self.made_per_epoch, generator), *self.mixer.draw(self.mixed_per_epoch, generator)]
        self.teachers.read(self.every, made)
        for batch in self.utterances.epoch(self.recipe.batch_size, generator, self.recipe.token_dropout, made):
            loss = self._intent_loss(batch)
            if self.recipe.reply_epochs and self.step % self._reply_every() == 0:
                reply_loss = self._reply_loss(next(replies))
            self._update(loss)
            yield loss, reply_loss

    def _reply_every(self) -> int:
        """Steps between two reply batches, so that `reply_epochs` are spread evenly over the run."""
        reply_steps = self.recipe.reply_epochs * math.ceil(len(self.exchanges) / self.recipe.reply_batch_size)
        return max(1, self.steps // max(1, reply_steps))

    def _replies(self, generator: torch.Generator) -> Iterator[Exchanges]:
        while True:
            yield from self.exchanges.epoch(self.recipe.reply_batch_size, generator)

    def _intent_loss(self, batch: Utterances) -> float:
        """Cross entropy of the detached classifier, and its distance from the teachers; accumulates gradients."""
        embedded, network = self.detached.embedding(batch.input_ids), list(self.model.network.parameters())
        features = self.threads.run(self.detached.pooled, embedded, batch.attention_mask, network)
        logits = self.parts.heads.shadow(self.feature_dropout(features))
        smoothing, labelled = self.recipe.label_smoothing, int((batch.labels != IGNORE).sum())
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=smoothing, reduction="sum") / max(1, labelled)
        if self.teachers:
            told, share = self.teachers.of(batch), self.recipe.distillation
            distance = distillation_loss(logits, torch.stack([one.logits for one in told]))
            loss = (1 - share) * loss + share * distance
            loss = loss + self.recipe.feature_distillation * feature_distance(self.projection(features), told)
        loss.backward()
        return loss.item()

    def _reply_loss(self, batch: Exchanges) -> float:
        """Equation (9): the answer through the base plus λ times the answer from s⁰ alone."""
        kept = batch.answer.shape[1] + 1  # the logits before an answer's first token predict it
        output = self.model(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            prefix_length=batch.prefix_length,
            logits_to_keep=kept,
            use_cache=False,
        )
        state = output.shadow_state[:, -kept:-1]  # (B, A, d)
        loss = joint_loss(
            label_loss(output.logits[:, :-1], batch.answer),
            label_loss(self.model.base.get_output_embeddings()(state), batch.answer),
            self.recipe.lambda_,
        )
        loss.backward()
        return float(loss.item())

    def _update(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise ShadowIntentError(f"loss is {loss} at step {self.step}; lower the learning rate in the recipe")
        nn.utils.clip_grad_norm_(self.trainable, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.scheduler.step()
        self.step += 1
        decay = min(self.recipe.average_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.trainable, 1 - decay)

    def save_state(self) -> None:
        """Everything needed to go on, written beside and then moved into place."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "made_of": self.made_of,
            "step": self.step,
            "weights": self.trainable,
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }
        torch.save(state, self.folder / f"{STATE}.part")
        (self.folder / f"{STATE}.part").replace(self.folder / STATE)

    def resume(self) -> None:
        """Goes back to the last saved epoch, if there is one. Raises ShadowIntentError when it is of other data."""
        if not (self.folder / STATE).is_file():
            return
        state = torch.load(self.folder / STATE, weights_only=True)
        made_of = state.get("made_of", {})
        if odd := [name for name, value in self.made_of.items() if made_of.get(name) != value]:
            other = f"{self.folder / STATE} belongs to another {' and another '.join(odd)}"
            raise ShadowIntentError(f"{other}; remove the folder or give another")
        with torch.no_grad():
            for own, saved in zip(
                [*self.trainable, *self.average], [*state["weights"], *state["average"]], strict=True
            ):
                own.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.step = state["step"]

    def finish(self) -> None:
        """Writes the averaged weights with the vocabulary."""
        with torch.no_grad():
            for own, mean in zip(self.trainable, self.average, strict=True):
                own.copy_(mean)
        self.parts.save(self.folder / PARTS, self.base)
        (self.folder / LABELS).write_text(json.dumps(self.labels) + "\n", encoding="utf-8")


def train(
    recipe: Recipe,
    folder: Path,
    examples: Sequence[Example],
    exchanges: Sequence[Exchange],
    labels: Sequence[str] = (),
) -> Run:
    """The whole of a recipe, its teachers first; goes on where it was interrupted. Returns the finished run.

    Arguments as `Run`.
    """
    labels = tuple(labels or load_skills().skills)
    encoder = EncoderTeacher(recipe, labels) if recipe.encoder_steps else None
    if encoder:
        encoder.learn(folder / ENCODER, examples)
    teachers = []
    for n, alone in enumerate(recipe.of_teachers(), start=1):
        own = folder / (TEACHER if n == 1 else f"{TEACHER}{n}")
        teachers.append(train(alone, own, examples, exchanges, labels).folder / PARTS)
    written = Writer(recipe, examples).write(folder / WRITTEN) if recipe.written else []
    run = Run(recipe, folder, examples, exchanges, None, teachers, labels, encoder, written)
    run.resume()
    run.train()
    run.finish()
    return run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("build/run"), help="folder of this run (default: build/run)")
    parser.add_argument("--recipe", type=Path, default=DEFAULT, help="recipe file (default: training/recipe.yaml)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        recipe = Recipe.load(arguments.recipe)
        train(recipe, arguments.run, split(read_corpus())["train"], split_exchanges(read_exchanges())["train"])
    except ShadowIntentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
