"""A shadow as one holds it: made or loaded, put on a base, taken off, saved."""

from __future__ import annotations

from typing import cast

from transformers import PreTrainedModel

from .config import ShadowConfig
from .heads import ClassifierHeads
from .layers import Adapters
from .model import ShadowedModel
from .network import ShadowNetwork
from .parts import ShadowParts


class Shadow(ShadowParts):
    """All parts of a shadow; see `ShadowParts`."""

    @classmethod
    def of(cls, model: ShadowedModel, name: str | None = None) -> Shadow:
        """A shadow of an attached model; its parts are shared with the model.

        Args:
            name: which one; None: the one in use.

        Raises:
            ValueError: there is none of that name.
        """
        return cast(Shadow, model.shadow if name is None else model.shadow_named(name))

    def attach(self, base: PreTrainedModel) -> ShadowedModel:
        """Puts it on `base`, which is frozen, equations (2)-(9); arguments, result and errors as of `attach`."""
        return ShadowedModel(base, self)


def attach(
    base: PreTrainedModel,
    network: ShadowNetwork,
    config: ShadowConfig,
    adapters: Adapters | None = None,
    heads: ClassifierHeads | None = None,
) -> ShadowedModel:
    """Freezes `base`, puts the shadow around its decoder blocks in place, and returns the whole: equations (2)-(9).

    Args:
        base: a decoder LM with its blocks in `layers` or `h`.
        network: the shadow network for this base.
        config: the shadow's numbers.
        adapters: trained ones; None makes fresh ones, which leave the base's logits bit for bit as they are.
        heads: trained ones; None makes fresh ones if the config has num_labels.

    Returns:
        The attached model: token ids (B, T) -> logits (B, T, V), classes (B, num_labels) by `classify`.

    Raises:
        ValueError: the base has a shadow already, keeps its blocks elsewhere, or is not the one these parts are for:
            another width or number of blocks.
    """
    return ShadowedModel(base, Shadow(config, network, adapters, heads))
