"""The shadow on its own: what runs on the robot."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .config import ShadowConfig
from .heads import ClassifierHeads, pool
from .network import ShadowNetwork


def real_positions(decoder: nn.Module, attention_mask: Tensor) -> Tensor | None:
    """Positions counted from the first real token of each row, for a decoder that learned one vector for each.

    Args:
        decoder: f, or the base's.
        attention_mask: (B, T), 1 at real tokens, padding on either side.

    Returns:
        (B, T), or None where only distances count (rotary, alibi) and padding on the left moves nothing.
    """
    if hasattr(decoder, "rotary_emb") or "position_ids" not in inspect.signature(decoder.forward).parameters:
        return None
    return (attention_mask.long().cumsum(-1) - 1).clamp(min=0)


class DetachedShadow(nn.Module):
    """shadow_head(pool(s0)) with s0 = P f(x) of equation (1): a classifier that needs no base.

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
        """s0 (1), (B, T, d); arguments as `forward`."""
        return self._state(self.embedding(input_ids), attention_mask)

    def _state(self, inputs_embeds: Tensor, attention_mask: Tensor) -> Tensor:
        prefix = attention_mask.bool() if self.config.prefix_attention else None
        positions = real_positions(self.network.backbone, attention_mask)
        return self.network(None, attention_mask, prefix, positions, inputs_embeds=inputs_embeds)  # (1)

    def features(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Pooled s0 (1), (B, d); arguments as `forward`."""
        return self.pooled(self.embedding(input_ids), attention_mask)

    def pooled(self, inputs_embeds: Tensor, attention_mask: Tensor) -> Tensor:
        """Pooled s0 (1), (B, d), of inputs_embeds (B, T, d_s), as f reads them; attention_mask (B, T) as `forward`."""
        return pool(self._state(inputs_embeds, attention_mask), attention_mask, self.config.pooling)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The answer whose cross entropy is equation (8).

        Args:
            input_ids: (B, T).
            attention_mask: (B, T), 1 at real tokens, padding on either side.

        Returns:
            Logits, (B, num_labels).
        """
        return self.heads.shadow(self.features(input_ids, attention_mask))

    def with_vocabulary(self, kept_ids: Sequence[int] | Tensor) -> DetachedShadow:
        """The same shadow behind a smaller frozen token table: new id i is old id kept_ids[i].

        Args:
            kept_ids: (V',), distinct.

        Returns:
            A shadow of a table (V', d_s), whose rows are copied; network and heads are shared with this one.

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
