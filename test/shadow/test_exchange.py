"""Checkpoints trained by each peer are read here, those trained here are read by each peer: equal logits."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import peft
import pytest
import shadow_peft
import torch
from safetensors.torch import load_file, save_file
from shadow_peft.task_models import ShadowForCausalLM, ShadowForSequenceClassification
from tiny import BLOCKS, SIZES, VOCABULARY, WIDTH, excite, make_batch, make_llama, make_qwen3, make_small
from torch import Tensor, nn
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForSequenceClassification,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
)

from shadow_intent.shadow import (
    CheckpointError,
    Shadow,
    ShadowConfig,
    ShadowNetwork,
    attach,
    load_peft,
    load_projected,
    load_shadow_peft,
    save_peft,
    save_projected,
    save_shadow_peft,
)

CLOSE = {"atol": 1e-5, "rtol": 1e-5}
TOKENS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
LABELS = 5


def make_gpt2() -> PreTrainedModel:
    """Blocks in `h`, a table that neither peer drops."""
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=BLOCKS, n_head=4, n_positions=64, **TOKENS)
    ).eval()


def make_opt() -> PreTrainedModel:
    """A decoder inside a model inside a causal LM."""
    sizes = {"hidden_size": WIDTH, "word_embed_proj_dim": WIDTH, "ffn_dim": 48, "num_hidden_layers": BLOCKS}
    return OPTForCausalLM(OPTConfig(vocab_size=VOCABULARY, num_attention_heads=4, **sizes, **TOKENS)).eval()


def make_classifier() -> PreTrainedModel:
    return LlamaForSequenceClassification(LlamaConfig(**SIZES, num_labels=LABELS)).eval()


def language_base(classifier: PreTrainedModel) -> PreTrainedModel:
    """The causal LM with the decoder of a classifier."""
    base = make_llama()
    base.model.load_state_dict(classifier.model.state_dict())
    return base


def a_few_steps(model: nn.Module, loss: Callable[[], Tensor]) -> None:
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=0.02)
    model.train()
    for _ in range(4):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    model.eval()


def teach(model: nn.Module, labels: Tensor | None = None) -> None:
    ids, mask = make_batch("right")
    labels = ids.masked_fill(mask == 0, -100) if labels is None else labels
    a_few_steps(model, lambda: model(input_ids=ids, attention_mask=mask, labels=labels).loss)


def agree(one: nn.Module, other: nn.Module) -> None:
    for side in ("left", "right"):
        ids, mask = make_batch(side)
        with torch.no_grad():
            first, second = (m(input_ids=ids, attention_mask=mask).logits[mask.bool()] for m in (one, other))
        torch.testing.assert_close(first, second, **CLOSE)


def differs(model: nn.Module, base: PreTrainedModel) -> None:
    ids, mask = make_batch("right")
    with torch.no_grad():
        change = (model(input_ids=ids, attention_mask=mask).logits - base(ids, attention_mask=mask).logits).abs().max()
    assert change > 1e-3


BASES = pytest.mark.parametrize("make", [make_llama, make_qwen3, make_gpt2, make_opt], ids=lambda make: make.__name__)


# shadow-peft


def authors(base: PreTrainedModel, small: PreTrainedModel | None = None, **settings: object) -> ShadowForCausalLM:
    config = shadow_peft.ShadowConfig(**{"alpha": 0.7, "gate_hidden_size": 6, **settings})
    return ShadowForCausalLM(shadow_peft.get_shadow_model(base, config, shadow_model=small))


@BASES
def test_a_folder_of_shadow_peft_is_read(make: Callable[[], PreTrainedModel], tmp_path: Path) -> None:
    base = make()
    peer = authors(deepcopy(base), num_shadow_layers=2)
    teach(peer)
    differs(peer, base)
    peer.save_pretrained(tmp_path)
    shadow = load_shadow_peft(tmp_path, base)
    assert (shadow.config.alpha, shadow.config.gate_width, shadow.network.own_embedding) == (0.7, 6, False)
    agree(shadow.attach(base).eval(), peer)


def test_sizes_of_an_implicit_shadow_of_shadow_peft_are_read(tmp_path: Path) -> None:
    base = make_qwen3()
    sizes = {"shadow_intermediate_size": 24, "shadow_num_attention_heads": 2, "shadow_num_key_value_heads": 1}
    peer = authors(deepcopy(base), **sizes, shadow_head_dim=4)
    teach(peer)
    peer.save_pretrained(tmp_path)
    model = load_shadow_peft(tmp_path, base).attach(base).eval()
    agree(model, peer)
    save_shadow_peft(tmp_path / "back", Shadow.of(model), base)
    agree(ShadowForCausalLM.from_pretrained(model.detach(), tmp_path / "back").eval(), peer)


def test_an_explicit_shadow_of_shadow_peft_is_read(tmp_path: Path) -> None:
    base, small = make_llama(), make_small()
    peer = authors(deepcopy(base), small)
    teach(peer)
    peer.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="give its config as `backbone`"):
        load_shadow_peft(tmp_path, base)
    shadow = load_shadow_peft(tmp_path, base, backbone=small.config)
    assert shadow.network.own_embedding
    agree(shadow.attach(base).eval(), peer)


@BASES
def test_shadow_peft_reads_what_was_trained_here(make: Callable[[], PreTrainedModel], tmp_path: Path) -> None:
    base = make()
    config = ShadowConfig(num_layers=2, rank=6, gate_width=4, dropout=0.0)
    model = attach(base, ShadowNetwork.cut(base, config), config)
    teach(model)
    save_shadow_peft(tmp_path, Shadow.of(model), base)
    other = deepcopy(model).detach()
    differs(model, other)
    agree(ShadowForCausalLM.from_pretrained(other, tmp_path).eval(), model)


def test_shadow_peft_reads_an_explicit_shadow_through_a_projected_folder(tmp_path: Path) -> None:
    base, small = make_llama(), make_small()
    config = ShadowConfig(dropout=0.0)
    model = attach(base, ShadowNetwork.explicit(small, base), config)
    teach(model)
    save_shadow_peft(tmp_path / "adapter", Shadow.of(model), base)
    save_projected(tmp_path / "shadow", model.network, base)
    projected = shadow_peft.AutoModelForCausalLMWithHiddenProjection.from_pretrained(tmp_path / "shadow")
    other = deepcopy(model).detach()
    agree(ShadowForCausalLM.from_pretrained(other, tmp_path / "adapter", shadow_model=projected).eval(), model)


def test_classes_go_both_ways_with_shadow_peft(tmp_path: Path) -> None:
    classifier = make_classifier()
    base = language_base(classifier)
    ids, mask = make_batch("right")  # it pools the wrong token under padding on the left
    config = shadow_peft.ShadowConfig(alpha=0.7)
    peer = ShadowForSequenceClassification(shadow_peft.get_shadow_model(deepcopy(classifier), config))
    teach(peer, torch.tensor([1, 4]))
    peer.save_pretrained(tmp_path)
    model = load_shadow_peft(tmp_path, base).attach(base).eval()
    theirs, ours = peer(input_ids=ids, attention_mask=mask), model.classify(ids, mask)
    torch.testing.assert_close(ours.logits, theirs.logits, **CLOSE)
    torch.testing.assert_close(ours.shadow_logits, theirs.shadow_logits, **CLOSE)
    excite(model.adapters)
    save_shadow_peft(tmp_path / "back", Shadow.of(model), base)
    back = ShadowForSequenceClassification.from_pretrained(classifier, tmp_path / "back").eval()
    theirs, ours = back(input_ids=ids, attention_mask=mask), model.classify(ids, mask)
    torch.testing.assert_close(ours.logits, theirs.logits, **CLOSE)
    torch.testing.assert_close(ours.shadow_logits, theirs.shadow_logits, **CLOSE)


# peft


def huggingface(base: PreTrainedModel, task: str = "CAUSAL_LM", **settings: object) -> nn.Module:
    return peft.get_peft_model(base, peft.ShadowConfig(task_type=task, shadow_alpha=0.7, **settings))


@BASES
@pytest.mark.parametrize("settings", [{}, {"shadow_hidden_size": 16, "update_hidden_size": 5}, {"own": True}], ids=str)
def test_a_folder_of_peft_is_read(make: Callable[[], PreTrainedModel], settings: dict, tmp_path: Path) -> None:
    base, settings = make(), dict(settings)
    if make in (make_qwen3, make_opt) and "shadow_hidden_size" in settings:
        del settings["shadow_hidden_size"]  # peft leaves head_dim and word_embed_proj_dim as they are: no fit
    own = settings.pop("own", None)
    peer = huggingface(deepcopy(base), **settings, **({"share_embeddings": False} if own else {}))
    if own:
        settings["own"] = own
    teach(peer)
    differs(peer, base)
    peer.save_pretrained(tmp_path)
    shadow = load_peft(tmp_path, base)
    assert shadow.network.own_embedding == bool({"own", "shadow_hidden_size"} & set(settings))
    agree(shadow.attach(base).eval(), peer)


@BASES
@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_peft_reads_what_was_trained_here(make: Callable[[], PreTrainedModel], own: bool, tmp_path: Path) -> None:
    base = make()
    config = ShadowConfig(dialect="peft", num_layers=2, rank=6, gate_width=4, dropout=0.0)
    network = ShadowNetwork.cut(base, config)
    if own:
        network = ShadowNetwork(network.backbone, deepcopy(network.embedding).requires_grad_(), WIDTH, True)
    model = attach(base, network, config)
    teach(model)
    save_peft(tmp_path, Shadow.of(model), base)
    other = deepcopy(model).detach()
    differs(model, other)
    agree(peft.PeftModel.from_pretrained(other, tmp_path).eval(), model)


def test_an_explicit_shadow_goes_both_ways_with_peft_through_a_projected_folder(tmp_path: Path) -> None:
    base, small = make_llama(), make_small()
    config = ShadowConfig(dialect="peft", dropout=0.0)
    model = attach(base, ShadowNetwork.explicit(small, base), config)
    teach(model)
    save_projected(tmp_path / "shadow", model.network, base)
    save_peft(tmp_path / "adapter", Shadow.of(model), base, shadow_model=str(tmp_path / "shadow"))
    peer = peft.PeftModel.from_pretrained(deepcopy(model).detach(), tmp_path / "adapter", is_trainable=True)
    agree(peer.eval(), model)
    teach(peer)
    peer.save_pretrained(tmp_path / "back")
    base = model.detach()
    agree(load_peft(tmp_path / "back", base).attach(base).eval(), peer)


def test_classes_go_both_ways_with_peft(tmp_path: Path) -> None:
    classifier = make_classifier()
    base = language_base(classifier)
    ids, mask = make_batch("left")
    peer = huggingface(deepcopy(classifier), "SEQ_CLS", shadow_num_hidden_layers=2)
    teach(peer, torch.tensor([1, 4]))
    peer.save_pretrained(tmp_path)
    model = load_peft(tmp_path, base).attach(base).eval()
    torch.testing.assert_close(model.classify(ids, mask).logits, peer(ids, attention_mask=mask).logits, **CLOSE)
    detached = peer.base_model.unload_shadow(copy=True)(input_ids=ids, attention_mask=mask).logits
    torch.testing.assert_close(model.detached()(ids, mask), detached, **CLOSE)
    excite(model.adapters)
    save_peft(tmp_path / "back", Shadow.of(model), base)
    back = peft.PeftModel.from_pretrained(classifier, tmp_path / "back").eval()
    torch.testing.assert_close(model.classify(ids, mask).logits, back(ids, attention_mask=mask).logits, **CLOSE)


# projected folders


def test_a_projected_folder_of_shadow_peft_is_read(tmp_path: Path) -> None:
    base, small = make_llama(), make_small()
    peer = shadow_peft.AutoModelForCausalLMWithHiddenProjection.wrap(
        shadow_model=small,
        shadow_hidden_projection=nn.Linear(16, WIDTH, bias=False),
        lm_head=base.lm_head,
        init_optimal_projection=False,
    )
    teach(peer)
    peer.save_pretrained(tmp_path)
    base.lm_head.weight.data = peer.lm_head.weight.detach().clone()  # it trains the head too
    ids, mask = make_batch("right")
    ours = base.lm_head(load_projected(tmp_path, base).eval()(ids, mask))
    torch.testing.assert_close(ours[mask.bool()], peer(ids, attention_mask=mask).logits[mask.bool()], **CLOSE)


@pytest.mark.parametrize("width", [WIDTH, 16])
def test_shadow_peft_reads_a_projected_folder_written_here(width: int, tmp_path: Path) -> None:
    base = make_llama()
    sizes = {} if width == WIDTH else {"hidden_size": width, "head_dim": 4}
    network = ShadowNetwork.random(base, ShadowConfig(), **sizes).eval()
    save_projected(tmp_path, network, base)
    peer = shadow_peft.AutoModelForCausalLMWithHiddenProjection.from_pretrained(tmp_path).eval()
    ids, mask = make_batch("right")
    theirs = peer(ids, attention_mask=mask).logits
    torch.testing.assert_close(base.lm_head(network(ids, mask))[mask.bool()], theirs[mask.bool()], **CLOSE)


# what cannot be exchanged


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"prefix_attention": True}, "prefix_attention"),
        ({"update": False}, "update"),
        ({"num_labels": 2, "pooling": "mean", "head_bias": False}, "pooling"),
        ({"num_labels": 2, "pooling": "last"}, "head_bias"),
    ],
)
@pytest.mark.parametrize(("save", "dialect"), [(save_peft, "peft"), (save_shadow_peft, "paper")])
def test_what_a_peer_cannot_compute_is_not_written(
    save: Callable, dialect: str, settings: dict, named: str, tmp_path: Path
) -> None:
    base = make_llama()
    config = ShadowConfig(dialect=dialect, **settings)
    shadow = Shadow.of(attach(base, ShadowNetwork.cut(base, config), config))
    with pytest.raises(CheckpointError, match=named):
        save(tmp_path, shadow, base)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("save", "dialect"), [(save_peft, "paper"), (save_shadow_peft, "peft")])
def test_the_other_dialect_is_not_written(save: Callable, dialect: str, tmp_path: Path) -> None:
    base = make_llama()
    config = ShadowConfig(dialect=dialect)
    shadow = Shadow.of(attach(base, ShadowNetwork.cut(base, config), config))
    with pytest.raises(CheckpointError, match="dialect"):
        save(tmp_path, shadow, base)


def test_an_f_that_peft_cannot_make_needs_a_name(tmp_path: Path) -> None:
    base = make_llama()
    config = ShadowConfig(dialect="peft")
    network = ShadowNetwork.random(base, config, num_key_value_heads=1)
    with pytest.raises(CheckpointError, match="shadow_model"):
        save_peft(tmp_path, Shadow.of(attach(base, network, config)), base)


def test_a_trained_output_head_is_named(tmp_path: Path) -> None:
    base = make_llama()
    authors(deepcopy(base), modules_to_save=["shadow_lm_head"]).save_pretrained(tmp_path / "a")
    with pytest.raises(CheckpointError, match="shadow_lm_head"):
        load_shadow_peft(tmp_path / "a", base)
    huggingface(deepcopy(base), modules_to_save=["lm_head"]).save_pretrained(tmp_path / "b")
    with pytest.raises(CheckpointError, match="lm_head"):
        load_peft(tmp_path / "b", base)


@pytest.mark.parametrize("peer", ["peft", "shadow-peft"])
def test_a_missing_weight_is_named(peer: str, tmp_path: Path) -> None:
    base = make_llama()
    model = huggingface(deepcopy(base)) if peer == "peft" else authors(deepcopy(base))
    model.save_pretrained(tmp_path)
    load, file = (
        (load_peft, "adapter_model.safetensors") if peer == "peft" else (load_shadow_peft, "shadow_adapter.safetensors")
    )
    weights = load_file(tmp_path / file)
    gone = next(key for key in sorted(weights) if "update" in key)
    save_file({key: value for key, value in weights.items() if key != gone}, tmp_path / file)
    with pytest.raises(CheckpointError, match="update"):
        load(tmp_path, base)
    (tmp_path / file).write_bytes(b"no tensors here")
    with pytest.raises(CheckpointError, match=f"{file} is damaged"):
        load(tmp_path, base)
    (tmp_path / file).unlink()
    with pytest.raises(CheckpointError, match=file):
        load(tmp_path, base)


def test_only_some_shadowed_blocks_are_refused(tmp_path: Path) -> None:
    base = make_llama()
    huggingface(deepcopy(base), target_modules=r".*\.layers\.[12]$").save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="all blocks"):
        load_peft(tmp_path, base)


def test_another_kind_of_adapter_is_refused(tmp_path: Path) -> None:
    base = make_llama()
    peft.get_peft_model(deepcopy(base), peft.LoraConfig(task_type="CAUSAL_LM")).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="LORA"):
        load_peft(tmp_path, base)
