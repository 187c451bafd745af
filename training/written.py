"""Texts that the base language model writes in the manner of the training utterances; only teachers label them.

It reads a few utterances as a list and goes on with it. What the teachers say of such texts tells a narrow shadow more
of what they know than the utterances alone (generate, annotate and learn, arXiv 2106.06168).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress

from shadow_intent.cloud.base import load_base, load_tokenizer
from shadow_intent.errors import ShadowIntentError
from shadow_intent.intent import NO_SLOTS
from training.corpus import NO_LABEL, Example, digest, normalise
from training.recipe import Recipe

LANGUAGE = "en"
HEADING = "Questions and requests to a voice assistant:\n"
SHOWN = 6
"""Utterances in a list: all of one label, which asks for near ones, or each of another, which asks for anything."""
LISTS, TIMES = 4, 16
"""Lists that are read together, and how often each is gone on with."""
NEW_TOKENS = 64
LIKELIEST = 50
"""Tokens that are drawn from."""
WORDS = range(2, 25)
"""Of a text that is kept."""
FRUITLESS = 20
"""Batches in a row without a new text, after which none is hoped for."""


class Writer:
    """Writes English texts."""

    def __init__(self, recipe: Recipe, examples: Sequence[Example]) -> None:
        """`examples`: the training part."""
        self._recipe = recipe
        known = [example for example in examples if example.language == LANGUAGE]
        self.made_of = {"base": recipe.base, "seed": recipe.seed, "data": digest(known, ())}
        by_label = defaultdict(list)
        for example in known:
            by_label[example.label].append(example.text)
        self._by_label = list(by_label.values())
        self._known = {normalise(example.text) for example in known}

    def write(self, path: Path) -> list[Example]:
        """As many texts as the recipe says; those in the file at `path` are taken, and new ones added to it.

        Raises ShadowIntentError when the file is of other data, or of another base or seed, when no utterance is
        English, or when no text is new any more; ConfigError when the base cannot be had.
        """
        if not self._by_label:
            raise ShadowIntentError("no utterance is English, so none can be shown to the base; set `written` to 0")
        batches, wanted, fruitless = self._kept(path), self._recipe.written, 0
        texts = {normalise(text): text for batch in batches for text in batch}
        with Progress(transient=True) as progress, path.open("a", encoding="utf-8") as file:
            task = progress.add_task("the base writes texts", total=wanted, completed=len(texts))
            while len(texts) < wanted:
                batch, before = list(self._batch(len(batches))), len(texts)
                batches.append(batch)
                file.write(json.dumps(batch, ensure_ascii=False) + "\n")
                file.flush()
                texts |= {normalise(text): text for text in batch}
                fruitless = fruitless + 1 if len(texts) == before else 0
                if fruitless == FRUITLESS:
                    raise ShadowIntentError(
                        f"{self._recipe.base} wrote {len(texts)} different texts of {wanted} and nothing new in "
                        f"{FRUITLESS} batches; set `written` of the recipe to less"
                    )
                progress.update(task, completed=len(texts))
        return [Example(text, NO_LABEL, LANGUAGE, NO_SLOTS, "written") for text in [*texts.values()][:wanted]]

    def _kept(self, path: Path) -> list[list[str]]:
        """What is in the file, less a last line that was not finished; begins it when there is none."""
        found = path.read_text(encoding="utf-8") if path.is_file() else ""
        whole = found.rpartition("\n")[0] or json.dumps(self.made_of)
        made_of, *batches = whole.split("\n")
        if json.loads(made_of) != self.made_of:
            raise ShadowIntentError(
                f"{path} is of another base or seed, or of other data; remove it or give another folder"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(whole + "\n", encoding="utf-8")
        return [json.loads(batch) for batch in batches]

    def _batch(self, number: int) -> Iterator[str]:
        """The new texts of some lists, which depend on the seed and on the number of the batch alone."""
        generator = torch.Generator().manual_seed(self._recipe.seed * 1_000_003 + number)
        for answer in self._answers([self._list(generator) for _ in range(LISTS)], generator):
            for n, line in enumerate(answer.split("\n")[:-1]):  # the last line was cut off
                if n and not line.startswith("- "):
                    break
                text = line.removeprefix("- ").strip(' "?.!').lower()
                if len(text.split()) in WORDS and text.isascii() and normalise(text) not in self._known:
                    yield text

    def _list(self, generator: torch.Generator) -> str:
        """Utterances, and the dash of the next."""

        def pick(items: Sequence[Any], count: int) -> list[Any]:
            return [items[n] for n in torch.randperm(len(items), generator=generator)[:count].tolist()]

        labels = SHOWN if int(torch.randint(2, (), generator=generator)) else 1
        shown = [text for texts in pick(self._by_label, labels) for text in pick(texts, SHOWN // labels)]
        return HEADING + "".join(f"- {text}\n" for text in shown) + "-"

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        """The base and its tokenizer, padding on the left."""
        tokenizer = load_tokenizer(self._recipe.base)
        tokenizer.pad_token, tokenizer.padding_side = tokenizer.pad_token or tokenizer.eos_token, "left"
        return load_base(self._recipe.base, torch.bfloat16), tokenizer

    @torch.inference_mode()
    def _answers(self, lists: Sequence[str], generator: torch.Generator) -> list[str]:
        """How the base goes on with each, `TIMES` times; each list is read once."""
        base, tokenizer = self._model
        rows = tokenizer(list(lists), return_tensors="pt", padding=True)
        mask = rows["attention_mask"]
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        output = base(rows["input_ids"], attention_mask=mask, position_ids=positions, logits_to_keep=1)
        cache, logits = output.past_key_values, output.logits[:, -1].repeat_interleave(TIMES, dim=0)
        cache.batch_repeat_interleave(TIMES)
        mask, positions = mask.repeat_interleave(TIMES, dim=0), positions[:, -1:].repeat_interleave(TIMES, dim=0)
        drawn = []
        for _ in range(NEW_TOKENS):
            likely, ids = logits.float().topk(LIKELIEST)
            token = ids.gather(1, torch.multinomial(likely.softmax(dim=-1), 1, generator=generator))  # (N, 1)
            drawn.append(token)
            mask, positions = torch.cat([mask, torch.ones_like(token)], dim=1), positions + 1
            output = base(token, attention_mask=mask, position_ids=positions, past_key_values=cache)
            logits = output.logits[:, -1]
        return list(tokenizer.batch_decode(torch.cat(drawn, dim=1), skip_special_tokens=True))
