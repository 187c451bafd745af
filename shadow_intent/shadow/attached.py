"""A base that carries shadows: putting them on, taking them off, choosing among them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from .cache import DualCache
from .config import ShadowConfig
from .decoders import blocks_name, decoder_of
from .detached import DetachedShadow
from .heads import ClassifierHeads
from .layers import Adapters, Carry, ShadowedBlock
from .loop import BlockLoop
from .network import ShadowNetwork
from .parts import ShadowParts
from .prepack import Prepack

DEFAULT = "default"
"""Name of the shadow that `attach` puts on."""
MODES = ("training", "gradient_checkpointing")
"""Attributes of the base's modules that are put back when it is detached."""
NO_PREDICTIONS = ["past_key_values", "shadow_state", "shadow_logits"]
"""Outputs that `Trainer` leaves out of its predictions, unless it is given other `ignore_keys`."""
Choice = str | ShadowParts | Sequence[str | ShadowParts] | None
"""Which shadow a call takes: a name, a shadow, one of them per row of the batch, or None for the one in use."""


class ShadowedBase(nn.Module):
    """A frozen causal LM with the shadows it carries; what it computes is in `ShadowedModel`.

    What this class does not have is looked up on the base. Its state dict holds the shadows alone. Shadows may be
    added, swapped and removed while other threads call it: each call keeps the shadows it began with.

    Args:
        base: a decoder LM with its blocks in `layers` or `h`; frozen here.
        shadow: the first one, in use under the name `DEFAULT`.

    Attributes:
        base: the base.
        shadows: all shadows, by name.
        active: the name of the one in use.

    Raises:
        ValueError: as `attach`.
    """

    def __init__(self, base: PreTrainedModel, shadow: ShadowParts) -> None:
        super().__init__()
        decoder = decoder_of(base)
        self._blocks_name = blocks_name(decoder)
        blocks = getattr(decoder, self._blocks_name)
        if isinstance(blocks[0], ShadowedBlock):
            raise ValueError("this base has a shadow attached already; detach it first, or add this one by name")
        shadow.fit(base)
        self.base = base
        self.active = DEFAULT
        self.shadows = nn.ModuleDict({DEFAULT: shadow})
        self.caches = DualCache(base.config)
        self._carry = Carry()
        self._loop: BlockLoop | None = None
        self._prepack: Prepack | None = None
        self._wrap(decoder, blocks)
        self.register_state_dict_post_hook(_drop_base)
        self.register_load_state_dict_post_hook(_forgive_base)

    def _wrap(self, decoder: PreTrainedModel, blocks: nn.ModuleList) -> None:
        self._required_grad = {name for name, weight in self.base.named_parameters() if weight.requires_grad}
        self._modes = {
            name: {flag: getattr(module, flag) for flag in MODES if hasattr(module, flag)}
            for name, module in self.base.named_modules()
        }
        self.__dict__["_own_blocks"] = blocks  # past nn.Module: registered inside the wrappers already
        self.base.requires_grad_(False)
        wrapped = (ShadowedBlock(block, i, self._carry) for i, block in enumerate(blocks))
        setattr(decoder, self._blocks_name, nn.ModuleList(wrapped))

    def detach(self) -> PreTrainedModel:
        """Takes the shadows off; this object is spent afterwards.

        Returns:
            The base as it was before `attach`, logits (B, T, V) bit for bit. A token table that a shadow network refers
            to was frozen by that network, before, and stays so.
        """
        self.prepack(False)
        setattr(decoder_of(self.base), self._blocks_name, self._own_blocks)
        for name, weight in self.base.named_parameters():
            weight.requires_grad_(name in self._required_grad)
        for name, module in self.base.named_modules():
            for flag, value in self._modes.get(name, {}).items():
                setattr(module, flag, value)
        return self.base

    @property
    def config(self) -> PreTrainedConfig:
        """That of the base: the same values, also to write, under a class that names `NO_PREDICTIONS`."""
        kind: Any = type(self.base.config)
        config: PreTrainedConfig = object.__new__(_config_class(kind))
        config.__dict__ = self.base.config.__dict__
        return config

    @property
    def accepts_loss_kwargs(self) -> bool:
        """Whether `Trainer` may give num_items_in_batch. Not with heads: it would count class labels as shifted."""
        return self.heads is None

    @property
    def shadow(self) -> ShadowParts:
        """The shadow in use."""
        while True:
            name = self.active
            try:
                return self.shadow_named(name)
            except ValueError:
                if name == self.active:
                    raise
                # another thread has just put another one in use and taken this one off

    @property
    def network(self) -> ShadowNetwork:
        """f and P (1) of the shadow in use: token ids (B, T) -> s0 (B, T, d)."""
        return self.shadow.network

    @property
    def adapters(self) -> Adapters:
        """Injections (2)-(4) and updates (5)-(7) of the shadow in use."""
        return self.shadow.steering()

    @property
    def heads(self) -> ClassifierHeads | None:
        """Classification heads of the shadow in use, (B, d) -> (B, num_labels); None when it has none."""
        return self.shadow.heads

    @property
    def shadow_config(self) -> ShadowConfig:
        """The numbers of the shadow in use."""
        return self.shadow.config

    def shadow_named(self, name: str) -> ShadowParts:
        """The shadow called `name`. Raises ValueError when it is not here."""
        try:
            return cast(ShadowParts, self.shadows[name])
        except KeyError:
            here = ", ".join(list(self.shadows))
            raise ValueError(f"there is no shadow {name!r} here, only {here}; add it first") from None

    def add(self, name: str, shadow: ShadowParts) -> None:
        """Puts a further shadow on, or another one in place of `name`; calls under way keep what they began with.

        Args:
            name: how calls choose it; no dot in it.
            shadow: made for a base of these sizes; the parts it lacks are made for this one.

        Raises:
            ValueError: it was made for another width, number of blocks or vocabulary, or no module can have that name.
        """
        if not name or "." in name or (name not in self.shadows and hasattr(self.shadows, name)):
            raise ValueError(f"a shadow cannot be called {name!r}: take a name without a dot that no dict method has")
        self.shadows[name] = shadow.fit(self.base).train(self.training)
        shadow.network.prepack = self._prepack

    def remove(self, name: str) -> ShadowParts:
        """Takes a shadow off that is not in use, and returns it. Raises ValueError when it is, or is not here."""
        shadow = self.shadow_named(name)
        if name == self.active:
            raise ValueError(f"the shadow {name!r} is in use; use another one first")
        del self.shadows[name]
        shadow.network.prepack = None
        return shadow

    def prepack(self, on: bool = True) -> None:
        """Has inference read copies of the base's and every f's weights in oneDNN's layout, which is much quicker.

        They take as much memory again as float32 weights on a CPU, the only ones that are copied, and only where the
        blocks run in a `BlockLoop`. Logits (B, T, V) differ by rounding from those without. A weight that changes is
        copied again when the next prompt begins; what was written through `.data` in place wants another call of this.

        Args:
            on: False drops the copies.
        """
        self._prepack = Prepack() if on else None
        self._loop = None
        for name in self.shadows:
            network = self.shadow_named(name).network
            network.prepack, network._loop = self._prepack, None

    def use(self, name: str) -> None:
        """The shadow that calls take when they name none. Raises ValueError when it is not here."""
        self.shadow_named(name)
        self.active = name

    def activation_checkpointing_enable(
        self, activation_checkpointing_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """As of transformers, for the base and every f: activations inside blocks are computed twice, not kept."""
        for model in self._models():
            enable = getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)
            enable(activation_checkpointing_kwargs, **kwargs)

    def activation_checkpointing_disable(self) -> None:
        """Keeps them again: the opposite of `activation_checkpointing_enable`."""
        for model in self._models():
            getattr(model, "activation_checkpointing_disable", model.gradient_checkpointing_disable)()

    def gradient_checkpointing_enable(
        self, gradient_checkpointing_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """The name of `activation_checkpointing_enable` in older versions of transformers."""
        self.activation_checkpointing_enable(gradient_checkpointing_kwargs, **kwargs)

    def gradient_checkpointing_disable(self) -> None:
        """The name of `activation_checkpointing_disable` in older versions of transformers."""
        self.activation_checkpointing_disable()

    def _models(self) -> list[PreTrainedModel]:
        """The base and every f."""
        return [self.base, *(self.shadow_named(name).network.backbone for name in self.shadows)]

    def save_pretrained(self, *args: object, **kwargs: object) -> None:
        """Not here: transformers' own would write the base. Raises NotImplementedError."""
        raise NotImplementedError("a shadow is saved by save_shadow(folder, Shadow.of(model), model.base)")

    def push_to_hub(self, *args: object, **kwargs: object) -> None:
        """Not here either. Raises NotImplementedError."""
        raise NotImplementedError("write a folder with save_shadow(folder, Shadow.of(model), model.base); upload that")

    def detached(self) -> DetachedShadow:
        """The shadow in use without the base, over the same weights: the classifier whose loss is (8).

        Returns:
            Token ids and attention mask (B, T) -> logits (B, num_labels).

        Raises:
            ValueError: it has no classification heads.
        """
        return self.shadow.detached()

    def choose(
        self, choice: Choice, rows: Tensor | None, input_ids: Tensor
    ) -> tuple[tuple[ShadowParts, ...], Tensor | None]:
        """The shadows of a call.

        Args:
            choice: see `Choice`.
            rows: (B,), when `choice` is a tuple of shadows already: which of them each row has.
            input_ids: (B, T).

        Returns:
            The shadows, each once, and which of them each row has, (B,); None when there is one.

        Raises:
            ValueError: one is not here or for another base, or there are not as many as rows.
        """
        if choice is None or isinstance(choice, (str, ShadowParts)):
            return (self.one(choice),), None
        if rows is not None:  # from `generate`, chosen before
            return tuple(self.one(one) for one in choice), rows
        if len(choice) != len(input_ids):
            raise ValueError(f"expected a shadow per row, got {len(choice)} for {len(input_ids)} rows")
        chosen = [self.one(one) for one in choice]
        distinct = list({one.serial: one for one in chosen}.values())
        if len(distinct) == 1:
            return tuple(distinct), None
        return tuple(distinct), torch.tensor([distinct.index(one) for one in chosen], device=input_ids.device)

    def one(self, choice: str | ShadowParts | None) -> ShadowParts:
        """The shadow of a call whose rows all have the same.

        Raises:
            ValueError: it is not here, or was made for another base.
        """
        if choice is None:
            return self.shadow
        return self.shadow_named(choice) if isinstance(choice, str) else choice.fit(self.base)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("base"), name)


@lru_cache
def _config_class(kind: Any) -> type[PreTrainedConfig]:
    return type(kind.__name__, (kind,), {"keys_to_ignore_at_inference": NO_PREDICTIONS})


def _drop_base(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    """The base is not ours to save."""
    for key in [key for key in state if key.startswith(f"{prefix}base.")]:
        del state[key]


def _forgive_base(module: nn.Module, keys: Any) -> None:
    """... nor to load."""
    keys.missing_keys[:] = [key for key in keys.missing_keys if not key.removeprefix("module.").startswith("base.")]
