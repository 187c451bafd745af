"""Plain text in blocks of tokens: from files, from a Hugging Face dataset, or written by the base itself."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

SUFFIXES = (".txt", ".md", ".jsonl")
PIECE = 1_000_000
"""Characters of a file that are read at a time, up to the end of a line."""


class TextBlocks:
    """Texts one after another, an end token between them, cut into blocks. Endless: it begins again at the end.

    Args:
        texts: called for every pass.
        tokenizer: of transformers.
        length: T, tokens of a block.
        source: tells these texts from others, for a run that is resumed, such as `folder_source`.

    Raises:
        ValueError: a length below 2, at which no token has a next one.
    """

    def __init__(self, texts: Any, tokenizer: Any, length: int, source: str = "") -> None:
        if length < 2:
            raise ValueError(f"length must be >= 2, got {length}")
        self._texts, self._tokenizer, self._length = texts, tokenizer, length
        self.identity: dict[str, Any] = {"source": source, "length": length}
        """What makes the blocks the same ones; `Pretraining` keeps it with a run."""

    def __call__(self, skip: int = 0) -> Iterator[Tensor]:
        """Blocks (T,) from number `skip` on.

        Raises:
            ValueError: all texts together fill none, or they cannot be read.
        """
        return itertools.islice(self._endless(), skip, None)

    def _endless(self) -> Iterator[Tensor]:
        while True:
            block = None
            for block in self._once():
                yield block
            if block is None:
                raise ValueError(f"the texts hold fewer than {self._length} tokens; give more, or a smaller length")

    def _once(self) -> Iterator[Tensor]:
        waiting: list[int] = []
        end = self._tokenizer.eos_token_id
        for text in self._texts():
            waiting += self._tokenizer(text, add_special_tokens=False).input_ids
            waiting += [] if end is None else [end]
            whole = len(waiting) - len(waiting) % self._length
            for start in range(0, whole, self._length):
                yield torch.tensor(waiting[start : start + self._length])
            del waiting[:whole]


def folder_texts(folder: str | Path) -> Iterable[str]:
    """The texts below a folder, in order of their names: .txt and .md whole, .jsonl line by line (field "text").

    Files are read as they are needed. A .txt or .md file of more than about a million characters becomes several
    texts, cut between lines where it has lines.

    Raises:
        ValueError: nothing of the kind is there, a line has no text, or a file is not UTF-8.
    """
    for file in _files(folder):
        with file.open(encoding="utf-8") as lines:
            if file.suffix != ".jsonl":
                while piece := lines.read(PIECE):
                    yield piece + lines.readline(PIECE)
                continue
            for number, line in enumerate(lines, start=1):
                yield _text_in(line, f"{file}:{number}")


def _text_in(line: str, where: str) -> str:
    """Field "text" of an object in JSON. Raises ValueError."""
    try:
        text = json.loads(line)["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{where}: expected an object with "text"') from error
    if not isinstance(text, str):
        raise ValueError(f'{where}: "text" must be a string, got {text!r:.40}')
    return text


def folder_source(folder: str | Path) -> str:
    """Tells the texts of a folder from those of another: number and bytes of the files, a hash of names and sizes.

    Raises:
        ValueError: nothing of the kind is there.
    """
    files = [(file.relative_to(folder).as_posix(), file.stat().st_size) for file in _files(folder)]
    digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:12]
    return f"{len(files)} files of {sum(size for _, size in files)} bytes, {digest}"


def _files(folder: str | Path) -> list[Path]:
    files = sorted(file for file in Path(folder).rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise ValueError(f"{folder}: expected files {', '.join(SUFFIXES)}")
    return files


def dataset_texts(name: str, split: str = "train", field: str = "text") -> Iterable[str]:
    """The texts of a Hugging Face dataset, streamed.

    Args:
        name: its id, or a folder that holds one; "id:config" where it has several configurations.
        split: which part of it.
        field: of a row, where the text is.

    Raises:
        ValueError: the datasets package is missing, there is no such dataset, configuration or split, it cannot be had
            or read, or a row has no text there.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ValueError("reading a dataset needs the datasets package: pip install datasets") from error
    identity, _, config = name.partition(":")
    try:
        for number, row in enumerate(load_dataset(identity, config or None, split=split, streaming=True), start=1):
            if not isinstance(row.get(field), str):
                raise ValueError(f"row {number} has no text in a field {field!r}; its fields are {', '.join(row)}")
            yield row[field]
    except Exception as error:  # that of a missing id, of the network or of a file format has no class in common
        raise ValueError(f"dataset {name!r}, split {split!r}, cannot be read: {error}") from error


class SampledBlocks:
    """Text that the base writes itself, for when there is none: sampled from a random first token on, without end.

    From the base's own distribution, whatever its `generation_config` says, but for the tokens that end a text.

    Args:
        base: in evaluation mode.
        length: T, tokens of a block.
        together: blocks sampled at a time.
        seed: with it every block is the same each time.
    """

    def __init__(self, base: PreTrainedModel, length: int, together: int = 8, seed: int = 0) -> None:
        self._base, self._length, self._together, self._seed = base, length, together, seed
        self.identity: dict[str, Any] = {"source": "the base", "length": length, "together": together, "seed": seed}
        """As of `TextBlocks`."""

    def __call__(self, skip: int = 0) -> Iterator[Tensor]:
        """Blocks (T,) from number `skip` on."""
        for group in itertools.count(skip // self._together):
            blocks = self._sample(group)
            yield from blocks[skip % self._together if group == skip // self._together else 0 :]

    @torch.no_grad()
    def _sample(self, group: int) -> Tensor:
        """(together, T)"""
        model: Any = self._base
        ends = model.generation_config.eos_token_id  # one, several or none
        with torch.random.fork_rng():
            torch.manual_seed(self._seed + 7919 * group)
            first = torch.randint(model.config.vocab_size, (self._together, 1)).to(model.device)
            written, cache, new = first, None, first
            for _ in range(self._length - 1):  # not `generate`, which obeys penalties and filters of the base's config
                output = model(new, past_key_values=cache, use_cache=True)
                cache = output.past_key_values
                scores = output.logits[:, -1].to(first.device, torch.float32)  # (together, V)
                if ends is not None:
                    scores[:, ends] = float("-inf")
                new = torch.multinomial(scores.softmax(-1), 1)
                written = torch.cat([written, new], dim=1)
        return written.cpu()
