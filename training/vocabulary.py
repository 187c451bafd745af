"""The robot's tokenizer: the base's byte-level BPE with fewer merges, plus one token per Chinese character.

A dropped merge only means that a word is read in smaller pieces; no text becomes unknown. The base has no
Chinese, so its merges cut characters into bytes: merges that join the bytes of each character of the data come first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tokenizers import Regex, Tokenizer
from tokenizers.normalizers import NFKC, Lowercase, Replace, Strip
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import ByteLevel

FREQUENT_MERGES = 16_000
"""The base's merges are ordered by frequency: the first ones are general English, kept even if the data lacks them."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer and what its ids are in the base's vocabulary."""

    tokenizer: Tokenizer
    rows: list[list[int]]
    """For each id of `tokenizer`: the base ids whose mean embedding is (or starts) its row."""

    @property
    def new_rows(self) -> list[int]:
        """Ids the base has no token for."""
        return [i for i, row in enumerate(self.rows) if len(row) > 1]


def prune(base: Tokenizer, texts: Iterable[str], frequent_merges: int = FREQUENT_MERGES) -> Vocabulary:
    """The robot's tokenizer for a base and the texts it should read in the base's own pieces."""
    spec = json.loads(base.to_str())
    vocab: dict[str, int] = spec["model"]["vocab"]
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in spec["model"]["merges"]]
    normalizer = Normalizers([NFKC(), Lowercase(), Replace(Regex(r"\s+"), " "), Strip()])
    texts = [normalizer.normalize_str(t) for t in texts]
    used = {piece for encoding in base.encode_batch(texts, add_special_tokens=False) for piece in encoding.tokens}
    kept = _kept_merges(merges, used, frequent_merges)
    characters = _character_merges(c for t in texts for c in t if "\u3400" <= c <= "\u9fff")
    alphabet = sorted((c for c in ByteLevel.alphabet() if c in vocab), key=lambda c: vocab[c])
    order = list(dict.fromkeys([*alphabet, *("".join(m) for m in characters), *("".join(m) for m in kept)]))
    spec["normalizer"] = None
    spec["added_tokens"] = []
    spec["post_processor"] = None
    spec["model"]["vocab"] = {piece: i for i, piece in enumerate(order)}
    spec["model"]["merges"] = [list(m) for m in dict.fromkeys([*characters, *kept])]
    spec["model"]["unk_token"] = None
    tokenizer = Tokenizer.from_str(json.dumps(spec))
    tokenizer.normalizer = normalizer
    return Vocabulary(tokenizer, [[vocab[p]] if p in vocab else [vocab[c] for c in p] for p in order])


def _kept_merges(merges: Sequence[tuple[str, ...]], used: set[str], frequent: int) -> list[tuple[str, ...]]:
    """The merges that build a used or frequent lower-case piece, in the base's order."""
    made_by = {"".join(m): m for m in merges}
    needed: set[str] = set()
    wanted = [p for p in used if p in made_by]
    wanted += [p for p in ("".join(m) for m in merges[:frequent]) if not any("A" <= c <= "Z" for c in p)]
    while wanted:
        piece = wanted.pop()
        if piece not in needed and piece in made_by:
            needed.add(piece)
            wanted += made_by[piece]
    return [m for m in merges if "".join(m) in needed]


def _character_merges(characters: Iterable[str]) -> list[tuple[str, ...]]:
    """Merges that join the UTF-8 bytes of each character, left to right."""
    byte_level = ByteLevel(add_prefix_space=False, use_regex=False)
    merges: dict[tuple[str, ...], None] = {}
    for character in sorted(set(characters)):
        pieces = byte_level.pre_tokenize_str(character)[0][0]
        for end in range(1, len(pieces)):
            merges[pieces[:end], pieces[end]] = None
    return list(merges)
