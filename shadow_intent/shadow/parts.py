"""The parts of a shadow as one module."""

from __future__ import annotations

import itertools

from torch import nn
from transformers import PreTrainedModel

from .config import ShadowConfig
from .decoders import blocks_of, decoder_of
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
        """The classifier that needs no base; shares the weights of this shadow. Raises ValueError without heads."""
        if self.heads is None:
            raise ValueError("this shadow has no classification heads; set num_labels in the config")
        return DetachedShadow(self.network, self.heads, self.config)

    def parts(self) -> dict[str, nn.Module]:
        """The parts there are, by the prefix of their weights in the file."""
        named = {"network": self.network, "adapters": self.adapters, "heads": self.heads}
        return {name: part for name, part in named.items() if part is not None}

    def fit(self, base: PreTrainedModel) -> ShadowParts:
        """Makes the parts that are missing for `base`: adapters that leave it as it is, and heads. Returns itself.

        Raises:
            ValueError: the shadow was made for another width or another number of blocks.
        """
        width, blocks, weight = (
            decoder_of(base).config.hidden_size,
            len(blocks_of(base)),
            next(self.network.parameters()),
        )
        if self.network.width != width:
            raise ValueError(f"the shadow's states must be as wide as the base, {width}, got {self.network.width}")
        if self.adapters is None:
            self.adapters = Adapters(width, blocks, self.config).to(weight.device, weight.dtype).train(self.training)
        if len(self.adapters.injections) + self.adapters.first_block != blocks:
            raise ValueError(f"the shadow must have adapters for {blocks} blocks; it was made for another base")
        if self.heads is None and self.config.num_labels:
            self.heads = ClassifierHeads(width, self.config).to(weight.device, weight.dtype).train(self.training)
        return self

    def steering(self) -> Adapters:
        """The adapters. Raises ValueError when there are none yet."""
        if self.adapters is None:
            raise ValueError("this shadow has no adapters; put it on a base first")
        return self.adapters
