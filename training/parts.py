"""What is trained: the shadow, the robot's token rows and its vocabulary; made, saved and loaded together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from shadow_intent import bundle as layout
from shadow_intent.shadow import (
    Adapters,
    ClassifierHeads,
    DetachedShadow,
    Shadow,
    ShadowNetwork,
    load_shadow,
    save_shadow,
)
from training.recipe import Recipe
from training.vocabulary import Vocabulary


class TokenRows(nn.Module):
    """The robot's embedding table: rows of the base, frozen, and trainable rows for tokens the base does not have."""

    def __init__(self, table: Tensor, rows: list[list[int]], dropout: float = 0.0) -> None:
        """`table`: the base's embedding (V, d); `rows`: base ids per robot token, see `Vocabulary`."""
        super().__init__()
        means = torch.stack([table[row].mean(0) for row in rows])  # (V', d)
        new = torch.tensor([i for i, row in enumerate(rows) if len(row) > 1], dtype=torch.long)
        position = torch.full((len(rows),), len(new), dtype=torch.long).index_copy(0, new, torch.arange(len(new)))
        self.new = nn.Parameter(means[new].clone())  # (V_new, d)
        self.register_buffer("known", means.index_fill(0, new, 0.0), persistent=False)
        self.register_buffer("position", position, persistent=False)  # in `new`; V_new where the base has the token
        self.dropout = nn.Dropout(dropout)

    @property
    def weight(self) -> Tensor:
        """(V', d), new rows in place."""
        return self._rows(torch.arange(self.get_buffer("known").shape[0]))

    def forward(self, input_ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, d)"""
        embedded: Tensor = self.dropout(self._rows(input_ids))
        return embedded

    def _rows(self, ids: Tensor) -> Tensor:
        own = F.pad(self.new, (0, 0, 0, 1))  # a zero row for tokens of the base
        return F.embedding(ids, self.get_buffer("known")) + F.embedding(self.get_buffer("position")[ids], own)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything trainable, and the vocabulary it was trained with."""

    shadow: Shadow
    rows: TokenRows
    vocabulary: Vocabulary

    @classmethod
    def fresh(cls, base: PreTrainedModel, recipe: Recipe, labels: int, vocabulary: Vocabulary) -> Parts:
        """A shadow cut from the base's first blocks; attached it changes nothing yet."""
        config = recipe.shadow(labels)
        network = ShadowNetwork.cut(base, config)
        width, blocks = base.config.hidden_size, base.config.num_hidden_layers
        shadow = Shadow(config, network, Adapters(width, blocks, config), ClassifierHeads(width, config))
        return cls(shadow, _rows(base, vocabulary, recipe.feature_dropout / 2), vocabulary)

    @classmethod
    def load(cls, folder: Path, base: PreTrainedModel, dropout: float = 0.0) -> Parts:
        """From a run folder or a bundle: both use the bundle's file names."""
        rows = json.loads((folder / layout.VOCABULARY).read_text(encoding="utf-8"))
        vocabulary = Vocabulary(Tokenizer.from_file(str(folder / layout.TOKENIZER)), rows)
        shadow = load_shadow(folder, base)
        table = _rows(base, vocabulary, dropout)
        table.new.data = load_file(folder / layout.NEW_ROWS)["new"].to(table.new.dtype)
        return cls(shadow, table, vocabulary)

    def save(self, folder: Path, base: PreTrainedModel, dtype: torch.dtype | None = None) -> None:
        """Writes the files `load` reads. `dtype`: of the stored weights, None keeps theirs."""
        folder.mkdir(parents=True, exist_ok=True)
        save_shadow(folder, self.shadow, base, dtype)
        self.vocabulary.tokenizer.save(str(folder / layout.TOKENIZER), pretty=False)
        (folder / layout.VOCABULARY).write_text(json.dumps(self.vocabulary.rows), encoding="utf-8")
        save_file({"new": self.rows.new.detach().to(dtype or torch.float32)}, folder / layout.NEW_ROWS)

    @property
    def heads(self) -> ClassifierHeads:
        if self.shadow.heads is None:
            raise ValueError("this shadow has no classification heads")
        return self.shadow.heads

    def detached(self, frozen: bool = False) -> DetachedShadow:
        """The classifier over the robot's tokens; `frozen` with a constant table, as it is exported."""
        table: nn.Module = nn.Embedding.from_pretrained(self.rows.weight.detach()) if frozen else self.rows
        return DetachedShadow(self.shadow.network, self.heads, self.shadow.config, table)


def _rows(base: PreTrainedModel, vocabulary: Vocabulary, dropout: float) -> TokenRows:
    table: Any = base.get_input_embeddings()
    return TokenRows(table.weight.detach(), vocabulary.rows, dropout)
