"""The parts of a shadow as one module."""

from __future__ import annotations

import itertools

from torch import nn
from transformers import PreTrainedModel

from .config import ShadowConfig
from .decoders import blocks_of, decoder_of, table_of
from .detached import DetachedShadow
from .heads import ClassifierHeads
from .layers import Adapters
from .network import ShadowNetwork

_serials = itertools.count()


class ShadowParts(nn.Module):
    """All parts of a shadow, on no base in particular.

    Args:
        config: its numbers.
        network: f and P.
        adapters: None when only the detached shadow was trained.
        heads: None when there are no classes.
    """

    def __init__(
        self,
        config: ShadowConfig,
        network: ShadowNetwork,
        adapters: Adapters | None = None,
        heads: ClassifierHeads | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.adapters = adapters
        self.heads = heads
        self.serial = next(_serials)
        """Tells the shadows of a process apart, for caches."""

    def detached(self) -> DetachedShadow:
        """The classifier that needs no base, (B, T) -> (B, num_labels); shares the weights of this shadow.

        Raises:
            ValueError: no classification heads.
        """
        if self.heads is None:
            raise ValueError("this shadow has no classification heads; set num_labels in the config")
        return DetachedShadow(self.network, self.heads, self.config)

    def parts(self) -> dict[str, nn.Module]:
        """The parts there are, by the prefix of their weights in the file."""
        named = {"network": self.network, "adapters": self.adapters, "heads": self.heads}
        return {name: part for name, part in named.items() if part is not None}

    def fit(self, base: PreTrainedModel) -> ShadowParts:
        """Makes the parts that are missing for `base`: adapters that leave it bit for bit as it is, and heads.

        A shadow without a token table of its own reads that of `base` from now on, so it can be on one base at a time.

        Returns:
            Itself.

        Raises:
            ValueError: the shadow was made for another width, another number of blocks or another vocabulary.
        """
        width, blocks = decoder_of(base).config.hidden_size, len(blocks_of(base))
        weight = next(self.network.parameters())
        if self.network.width != width:
            raise ValueError(f"the shadow's states must be as wide as the base, {width}, got {self.network.width}")
        if self.adapters is not None and (made_for := self.adapters.blocks) != blocks:
            raise ValueError(
                f"the shadow must have adapters for {blocks} blocks, got {made_for}; it was made for another base"
            )
        self._read_table_of(base)
        if self.adapters is None:
            self.adapters = Adapters(width, blocks, self.config).to(weight.device, weight.dtype).train(self.training)
        if self.heads is None and self.config.num_labels:
            self.heads = ClassifierHeads(width, self.config).to(weight.device, weight.dtype).train(self.training)
        return self

    def _read_table_of(self, base: PreTrainedModel) -> None:
        """Lets f read the base's token table, where it has none of its own."""
        if self.network.own_embedding or self.network.embedding is base.get_input_embeddings():
            return
        table, rows = table_of(base), self.network.embedding.num_embeddings
        if table.num_embeddings != rows:
            raise ValueError(
                f"the shadow reads a token table of {rows} rows, the base's has {table.num_embeddings}: make "
                "the shadow after the table is resized, or give it one of its own"
            )
        self.network.refer_to(table)

    def steering(self) -> Adapters:
        """The adapters. Raises ValueError when there are none yet."""
        if self.adapters is None:
            raise ValueError("this shadow has no adapters; put it on a base first")
        return self.adapters
