"""The shadow on its own: what runs on the robot."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .config import ShadowConfig
from .heads import ClassifierHeads, pool
from .network import ShadowNetwork


class DetachedShadow(nn.Module):
    """shadow_head(pool(P f(x))): a classifier that needs no base.

    With `prefix_attention` the whole utterance is the prefix, so every token sees every other. Exportable by
    `torch.onnx.export(dynamo=True)` with dynamic batch and length.

    Args:
        network: f and P; shared, not copied.
        heads: the shadow head is taken from here.
        config: prefix_attention and pooling.
        embedding: token table to use instead of the network's.
    """

    def __init__(
        self,
        network: ShadowNetwork,
        heads: ClassifierHeads,
        config: ShadowConfig,
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.heads = heads
        self.config = config
        self.embedding: nn.Module = network.embedding if embedding is None else embedding

    def state(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """s0, (B, T, d); arguments as `forward`."""
        return self._state(self.embedding(input_ids), attention_mask)

    def _state(self, inputs_embeds: Tensor, attention_mask: Tensor) -> Tensor:
        prefix = attention_mask.bool() if self.config.prefix_attention else None
        return self.network(attention_mask=attention_mask, prefix=prefix, inputs_embeds=inputs_embeds)

    def features(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Pooled s0, (B, d); arguments as `forward`."""
        return self.pooled(self.embedding(input_ids), attention_mask)

    def pooled(self, inputs_embeds: Tensor, attention_mask: Tensor) -> Tensor:
        """Pooled s0, (B, d), of tokens already embedded: (B, T, d)."""
        return pool(self._state(inputs_embeds, attention_mask), attention_mask, self.config.pooling)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """input_ids (B, T), attention_mask (B, T) with 1 at real tokens -> logits (B, num_labels)."""
        return self.heads.shadow(self.features(input_ids, attention_mask))

    def with_vocabulary(self, kept_ids: Sequence[int] | Tensor) -> DetachedShadow:
        """The same shadow behind a smaller frozen token table: new id i is old id kept_ids[i].

        Network and heads stay shared with this one; the rows are copied.

        Raises:
            ValueError: no ids, an id twice, one outside the table, or a table that does more than look up rows.
        """
        if type(self.embedding) is not nn.Embedding:
            raise ValueError(f"only a plain Embedding can be cut, got {type(self.embedding).__name__}")
        ids = torch.as_tensor(kept_ids, dtype=torch.long, device=self.embedding.weight.device)
        rows = self.embedding.weight.shape[0]
        if ids.ndim != 1 or not len(ids) or len(ids.unique()) != len(ids):
            raise ValueError(
                f"kept_ids must be a list of distinct token ids, got {len(ids.unique())} distinct of {ids.numel()}"
            )
        if int(ids.min()) < 0 or int(ids.max()) >= rows:
            raise ValueError(f"kept_ids must be in [0, {rows}), got {int(ids.min())}..{int(ids.max())}")
        table = nn.Embedding.from_pretrained(self.embedding.weight.detach()[ids].clone(), freeze=True)
        return DetachedShadow(self.network, self.heads, self.config, table).train(self.training)
