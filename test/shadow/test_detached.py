from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
import torch
from tiny import WIDTH, Batch, Build, excite, make_gpt2
from transformers import LlamaForCausalLM, PreTrainedModel

from shadow_intent.shadow import ClassifierHeads, DetachedShadow, ShadowConfig, ShadowNetwork, pool, to_onnx


def make_detached(base: PreTrainedModel, **settings: object) -> DetachedShadow:
    config = ShadowConfig(**{"num_labels": 5, "prefix_attention": True, **settings})
    return DetachedShadow(ShadowNetwork.cut(base, config), ClassifierHeads(WIDTH, config), config).eval()


@pytest.mark.parametrize(("pooling", "expected"), [("mean", [[3.0], [2.0]]), ("last", [[4.0], [3.0]])])
def test_pooling_by_hand(pooling: str, expected: list[list[float]]) -> None:
    hidden = torch.tensor([[[9.0], [2.0], [4.0]], [[1.0], [3.0], [9.0]]])
    mask = torch.tensor([[0, 1, 1], [1, 1, 0]])
    assert pool(hidden, mask, pooling).tolist() == expected


def test_pooling_without_a_mask() -> None:
    hidden = torch.tensor([[[1.0], [3.0]]])
    assert pool(hidden, None, "mean").tolist() == [[2.0]]
    assert pool(hidden, None, "last").tolist() == [[3.0]]


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_padding_changes_nothing(base: PreTrainedModel, batch: Batch, pooling: str) -> None:
    ids, mask = batch
    shadow = make_detached(base, pooling=pooling)
    alone = shadow(ids[:1, mask[0].bool()], torch.ones(1, 4, dtype=torch.long))
    torch.testing.assert_close(shadow(ids, mask)[:1], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("prefix", [False, True], ids=["causal", "prefix"])
def test_learned_positions_count_from_the_first_real_token(batch: Batch, trained: Build, prefix: bool) -> None:
    """GPT-2 by itself counts through the padding."""
    ids, mask = batch
    base = make_gpt2()
    excite(base.transformer.wpe, 1.0)
    model = trained(base, num_labels=5, prefix_attention=prefix)
    together = model.classify(ids, mask)
    for row in range(2):
        seen = mask[row].bool()
        alone = model.classify(ids[row : row + 1, seen])  # without a mask all are real
        for name in ("logits", "shadow_logits"):
            torch.testing.assert_close(together[name][row : row + 1], alone[name], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.detached()(ids, mask), together.shadow_logits)


def test_the_detached_shadow_is_what_the_attached_model_trains(
    llama: PreTrainedModel, batch: Batch, trained: Build
) -> None:
    model = trained(llama, prefix_attention=True, num_labels=5)
    torch.testing.assert_close(model.detached()(*batch), model.classify(*batch).shadow_logits)


def test_training_it_alone_leaves_the_table_alone(llama: PreTrainedModel, batch: Batch) -> None:
    shadow = make_detached(llama)
    shadow(*batch).sum().backward()
    assert shadow.embedding.weight.grad is None
    assert all(weight.grad is not None for weight in shadow.network.parameters())


def test_a_smaller_vocabulary_gives_the_same_answers(base: PreTrainedModel, batch: Batch) -> None:
    ids, mask = batch
    shadow = make_detached(base)
    kept = [0, *reversed(range(1, 60))]
    small = shadow.with_vocabulary(kept)
    renumbered = torch.tensor(kept).argsort()[ids]
    assert torch.equal(small(renumbered, mask), shadow(ids, mask))
    assert small.with_vocabulary([3, 1]).embedding.weight.shape == (2, WIDTH)
    assert not small.embedding.weight.requires_grad
    assert not small.training


@pytest.mark.parametrize("kept", [[], [1, 1], [-1], [60]])
def test_ids_that_cannot_be_kept_are_refused(llama: PreTrainedModel, kept: list[int]) -> None:
    with pytest.raises(ValueError, match="kept_ids"):
        make_detached(llama).with_vocabulary(kept)


@pytest.mark.timeout(300)
def test_onnx_runtime_agrees_at_any_batch_and_length(llama: PreTrainedModel, tmp_path: Path) -> None:
    shadow = make_detached(llama, num_layers=1).with_vocabulary(range(10, 50))
    to_onnx(shadow, tmp_path / "shadow.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "shadow.onnx")
    for rows, length in ((1, 1), (1, 9), (3, 7), (8, 12)):
        ids, mask = torch.randint(0, 40, (rows, length)), torch.ones(rows, length, dtype=torch.long)
        mask[0, length // 2 + 1 :] = 0
        (got,) = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        torch.testing.assert_close(torch.from_numpy(got), shadow(ids, mask).detach(), atol=1e-4, rtol=1e-4)


def test_an_explicit_shadow_starts_with_its_own_language_head(llama: PreTrainedModel, batch: Batch) -> None:
    """Where the base's head spans the small one's, s0 through the base's head gives the small model's own logits."""
    ids, mask = batch
    inner = ShadowNetwork.random(llama, ShadowConfig(), hidden_size=16, head_dim=4).backbone.config
    small = LlamaForCausalLM(inner).eval()
    small.lm_head.weight.data = llama.lm_head.weight.detach() @ torch.randn(WIDTH, 16)
    network = ShadowNetwork.explicit(small, llama, same_vocabulary=True)
    logits = llama.lm_head(network(ids, mask))
    torch.testing.assert_close(
        logits[mask.bool()], small(ids, attention_mask=mask).logits[mask.bool()], atol=1e-4, rtol=1e-4
    )
