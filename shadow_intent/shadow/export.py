"""The detached shadow as a plain Hugging Face model, which needs nothing of ours, and as ONNX."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel

from .decoders import cast_weights, decoder_of, head_of, table_of
from .detached import DetachedShadow
from .network import ShadowNetwork
from .parts import ShadowParts


def to_causal_lm(shadow: ShadowParts, base: PreTrainedModel) -> PreTrainedModel:
    """The detached shadow as a causal LM of its own architecture: head(P f(x)), equation (1).

    `save_pretrained` writes a folder that `AutoModelForCausalLM` loads. P is folded into the output head where there is
    one, so that nothing but a decoder and a head is left.

    Args:
        base: lends its output head and, unless the shadow has its own, its token table; both are copied.

    Returns:
        The model, in evaluation mode, in the type of f and on the device of its table.

    Raises:
        ValueError: prefix attention, which no plain model has, or a head with a bias that the architecture lacks.
    """
    _causal(shadow)
    network, head, table = shadow.network, head_of(base), shadow.network.embedding
    rows = min(len(head.weight), table.num_embeddings)  # of padded ones the shorter: no token is lost
    weight = head.weight if rows == len(head.weight) else head.weight[:rows]
    weight = _folded(network, weight)
    config = _config(network, rows)
    config.tie_word_embeddings = head.weight is table.weight and weight is head.weight
    model = cast(PreTrainedModel, AutoModelForCausalLM.from_config(config))
    _fill(model, network)
    target = head_of(model)
    if head.bias is not None and target.bias is None:
        raise ValueError(f"the base's head has a bias, and {type(model).__name__} has no place for it; export to ONNX")
    if not config.tie_word_embeddings:
        target.weight.data = weight.detach().clone()
    if target.bias is not None:
        target.bias.data = target.bias.new_zeros(rows) if head.bias is None else head.bias.detach()[:rows].clone()
    return _like(model, network)


def to_classifier(shadow: ShadowParts, labels: dict[int, str] | None = None) -> PreTrainedModel:
    """The detached classifier, head(pool(P f(x))) of (1), as the sequence classification model of its architecture.

    `save_pretrained` writes a folder that `AutoModelForSequenceClassification` loads. Such models find the last real
    token by the padding token's id, which must be in the config of f. That of GPT-2 counts its learned positions from
    the start of a row, padding included: pad on the right there, or its logits are others than those of `detached()`.

    Args:
        labels: names of the classes, for the config.

    Returns:
        The model, in evaluation mode, in the type of f and on the device of its table.

    Raises:
        ValueError: no classification heads, or what plain classifiers lack: mean pooling, prefix attention, a head with
            a bias.
    """
    _causal(shadow)
    if shadow.heads is None:
        raise ValueError("this shadow has no classification heads; set num_labels in the config")
    if shadow.config.pooling != "last" or shadow.heads.shadow.bias is not None:
        raise ValueError(
            "a plain classifier reads the last token with a head without bias: train with pooling='last' and "
            "head_bias=False, or export to ONNX"
        )
    weight = _folded(shadow.network, shadow.heads.shadow.weight)
    config = _config(shadow.network, shadow.network.embedding.num_embeddings)
    config.num_labels = len(weight)
    if labels is not None:
        config.id2label, config.label2id = labels, {name: number for number, name in labels.items()}
    model: Any = AutoModelForSequenceClassification.from_config(config)
    _fill(model, shadow.network)
    model.score.weight.data = weight.detach().clone()
    return _like(model, shadow.network)


class DetachedLanguage(nn.Module):
    """Next-token logits without the base's blocks, head(s0) with s0 = P f(x) of equation (1); shares all weights.

    Args:
        shadow: its network and prefix_attention.
        base: lends its output head, (V, d).

    Raises:
        ValueError: the base's output head is not linear.
    """

    def __init__(self, shadow: ShadowParts, base: PreTrainedModel) -> None:
        super().__init__()
        self.network = shadow.network
        self.config = shadow.config
        self.embedding = shadow.network.embedding
        self.head = head_of(base)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, prefix: Tensor | None = None) -> Tensor:
        """input_ids (B, T), attention_mask (B, T), prefix (B, T) bool -> logits (B, T, V), head on s0 (1).

        Args:
            prefix: the tokens of the prompt, see `prefix_mask`; needed with prefix_attention and only then.

        Raises:
            ValueError: prefix attention without a prefix, or a prefix without it.
        """
        if self.config.prefix_attention != (prefix is not None):
            raise ValueError(
                f"prefix: expected {'(B, T) bool' if prefix is None else 'None'} with prefix_attention="
                f"{self.config.prefix_attention}, got {'None' if prefix is None else tuple(prefix.shape)}"
            )
        state = self.network(None, attention_mask, prefix, inputs_embeds=self.embedding(input_ids))  # (1)
        logits: Tensor = self.head(state)
        return logits


def to_onnx(detached: DetachedShadow | DetachedLanguage, path: str | Path) -> None:
    """Writes input_ids (B, T), attention_mask (B, T) -> logits, both dimensions dynamic. Needs onnxscript.

    A classifier gives (B, num_labels), a language model (B, T, V). A language model with prefix_attention has a third
    input, prefix (B, T) bool: the tokens of the prompt, see `prefix_mask`.

    Raises:
        ModuleNotFoundError: onnxscript is not installed.
    """
    detached.eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if isinstance(detached, DetachedLanguage) and detached.config.prefix_attention:
        inputs["prefix"] = torch.ones_like(ids).bool()
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    program = torch.onnx.export(
        detached,
        tuple(inputs.values()),
        input_names=list(inputs),
        output_names=["logits"],
        dynamic_shapes=(axes,) * len(inputs),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    for node in program.model.graph:  # stack traces, with paths of the machine this ran on
        node.metadata_props.clear()
        node.doc_string = None
    program.save(str(path))


def _causal(shadow: ShadowParts) -> None:
    if shadow.config.prefix_attention:
        raise ValueError("a plain model reads from left to right; this shadow has prefix_attention: export to ONNX")


def _folded(network: ShadowNetwork, weight: Tensor) -> Tensor:
    """A head on s0 as one on f's own states: (V, d) -> (V, d_s)."""
    if isinstance(network.projection, nn.Linear):
        return (weight.double() @ network.projection.weight.double()).to(weight.dtype)
    return weight


def _config(network: ShadowNetwork, rows: int) -> PreTrainedConfig:
    config = deepcopy(network.backbone.config)
    config.vocab_size = rows
    return config


def _fill(model: PreTrainedModel, network: ShadowNetwork) -> None:
    """Copies f and its table into a model of the same architecture."""
    decoder = decoder_of(model)
    missing, unexpected = decoder.load_state_dict(network.backbone.state_dict(), strict=False)
    if unexpected or len(missing) > 1:
        raise ValueError(f"{type(model).__name__} does not take this f: {[*missing, *unexpected][:3]}")
    table_of(model).weight.data = network.embedding.weight.detach()[: model.config.vocab_size].clone()
    model.tie_weights()


def _like(model: PreTrainedModel, network: ShadowNetwork) -> PreTrainedModel:
    """In the type of f, on its device, ready for use."""
    cast_weights(model, network.dtype)
    model.config.dtype = network.dtype
    moved: Any = model
    return cast(PreTrainedModel, moved.to(network.embedding.weight.device).eval())
