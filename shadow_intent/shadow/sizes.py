"""What a shadow would weigh, without its base: `python -m shadow_intent.shadow.sizes [--base ID_OR_FOLDER]`.

Builds base and shadow on the meta device, so that a 70B model takes a second and no memory.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, PreTrainedConfig, PreTrainedModel

from .config import ShadowConfig
from .decoders import blocks_of, decoder_of, head_of
from .network import ShadowNetwork
from .shadow import Shadow

GIB = 2**30
TOKENS = 1000
ADAM = 12
"""Bytes per trained weight beside its own: float32 gradient and two moments."""


def llama_70b() -> LlamaConfig:
    """Sizes of Llama 3.1 70B."""
    return LlamaConfig(
        vocab_size=128256,
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        max_position_embeddings=131072,
        tie_word_embeddings=False,
    )


@dataclass(frozen=True)
class Sizes:
    """Numbers of weights and bytes."""

    base: int
    """Weights of the base."""
    parts: dict[str, int]
    """Weights of each part of the shadow, with a table only when it is the shadow's own."""
    shapes: dict[str, tuple[int, ...]]
    """Shapes of P and of the adapters of one block that has all of them."""
    tokens: int
    """Length of the sequence whose caches are given."""
    cache_base: int
    """Bytes of its keys and values, base, as transformers' DynamicCache keeps them."""
    cache_shadow: int
    """The same, shadow."""
    detached: int
    """Weights of the detached language model, with the token table and the head it borrows."""
    width: int
    """Bytes of one weight."""

    @property
    def trained(self) -> int:
        """Weights that get a gradient."""
        return sum(self.parts.values())


def measure(
    base_config: PreTrainedConfig, config: ShadowConfig, dtype: torch.dtype, tokens: int = TOKENS, **overrides: int
) -> Sizes:
    """Sizes of an implicit shadow of that base.

    Args:
        tokens: length of the sequence whose caches are estimated.
        overrides: as in `ShadowNetwork.random`.

    Raises:
        ValueError: no tokens, or what `ShadowNetwork.random` refuses.
    """
    if tokens < 1:
        raise ValueError(f"tokens must be >= 1, got {tokens}")
    with torch.device("meta"):
        base: PreTrainedModel = AutoModelForCausalLM.from_config(base_config, dtype=dtype)
        model = Shadow(config, ShadowNetwork.random(base, config, own_embedding=False, **overrides)).attach(base)
    network, adapters = model.network, model.adapters
    head = head_of(base).weight
    borrowed = 0 if head is network.embedding.weight else head.numel()
    parts = {
        "f": _count(network.backbone),
        "token table": _count(network.embedding) if network.own_embedding else 0,
        "P": _count(network.projection),
        "injections": _count(adapters.injections),
        "updates": _count(adapters.updates) + (_count(adapters.norm) if adapters.norm is not None else 0),
    }
    shapes = {f"P.{name}": tuple(weight.shape) for name, weight in network.projection.named_parameters()}
    for name, blocks in (("injection", adapters.injections), ("update", adapters.updates)):
        if len(blocks):
            shapes |= {f"{name}.{key}": tuple(weight.shape) for key, weight in blocks[0].named_parameters()}
    return Sizes(
        base=sum(weight.numel() for weight in base.parameters()),
        parts=parts,
        shapes=shapes,
        tokens=tokens,
        cache_base=_cache(decoder_of(base).config, len(blocks_of(base)), tokens) * dtype.itemsize,
        cache_shadow=_cache(network.backbone.config, config.num_layers, tokens) * dtype.itemsize,
        detached=parts["f"] + parts["P"] + _count(network.embedding) + borrowed,
        width=dtype.itemsize,
    )


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _cache(config: PreTrainedConfig, layers: int, tokens: int) -> int:
    """Keys and values of a sequence in all layers; one with a window keeps what the next token will see through it."""
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    kept = getattr(config, "num_key_value_heads", None) or heads
    if config.model_type == "falcon" and config.multi_query and not config.new_decoder_architecture:
        kept = 1
    window: int = getattr(config, "sliding_window", None) or 0
    kinds = getattr(config, "layer_types", None) or ["sliding_attention" if window else "full_attention"] * layers
    seen = [min(tokens, window - 1) if kind == "sliding_attention" else tokens for kind in kinds[:layers]]
    return 2 * sum(seen) * kept * head_dim


def report(sizes: Sizes) -> str:
    """The numbers as text."""
    gib = sizes.width / GIB
    lines = [f"base            {sizes.base:>16,} weights  {sizes.base * gib:9.2f} GiB", ""]
    counts = {name: count for name, count in sizes.parts.items() if count}
    counts |= {"shadow": sizes.trained, "detached": sizes.detached}
    notes = {"shadow": f"{100 * sizes.trained / sizes.base:.2f} % of the base", "detached": "with table and head"}
    lines += [f"{name:<15} {n:>16,} weights  {n * gib:9.2f} GiB  {notes.get(name, '')}" for name, n in counts.items()]
    lines += [""]
    lines += [f"{name:<24} {' x '.join(map(str, shape))}" for name, shape in sizes.shapes.items()]
    training = sizes.base * sizes.width + sizes.trained * (sizes.width + ADAM)
    attached = (sizes.base + sizes.trained) * sizes.width
    lines += [
        "",
        f"attached, weights           {attached / GIB:9.2f} GiB",
        f"training, before activations{training / GIB:9.2f} GiB  (AdamW in float32 for the shadow alone)",
        f"key-value cache, {f'{sizes.tokens} tokens':<11}{sizes.cache_base / GIB:8.2f} GiB base, "
        f"{sizes.cache_shadow / GIB:.3f} GiB shadow",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m shadow_intent.shadow.sizes", description=__doc__.splitlines()[0])
    parser.add_argument("--base", help="model id or folder (default: the sizes of Llama 3.1 70B)")
    parser.add_argument("--layers", type=int, default=2, help="blocks of f")
    parser.add_argument("--rank", type=int, default=16, help="inner width of the injection (default: 16)")
    parser.add_argument("--gate-width", type=int, default=10, help="inner width of T and G (default: 10)")
    parser.add_argument("--dialect", default="paper", choices=("paper", "peft"), help="equations (default: paper)")
    parser.add_argument("--hidden-size", type=int, help="width of f (default: that of the base)")
    parser.add_argument("--intermediate-size", type=int, help="width of f's MLP (default: that of the base)")
    parser.add_argument("--tokens", type=int, default=TOKENS, help=f"length of a cached sequence (default: {TOKENS})")
    parser.add_argument(
        "--dtype", default="bfloat16", choices=("float32", "bfloat16", "float16"), help="of all weights"
    )
    given = parser.parse_args(arguments)
    overrides = {"hidden_size": given.hidden_size, "intermediate_size": given.intermediate_size}
    try:
        base = AutoConfig.from_pretrained(given.base) if given.base else llama_70b()
        config = ShadowConfig(
            dialect=given.dialect, num_layers=given.layers, rank=given.rank, gate_width=given.gate_width
        )
        kept = {name: value for name, value in overrides.items() if value is not None}
        print(report(measure(base, config, getattr(torch, given.dtype), given.tokens, **kept)))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
