from __future__ import annotations

import math

import pytest
import torch
from tiny import Batch, Build, make_batch, make_llama
from transformers import PreTrainedModel

from shadow_intent.shadow import distillation_loss, joint_loss, label_loss, next_token_loss


def test_label_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(4.0), 0.0], [9.0, 9.0]])
    loss = label_loss(logits, torch.tensor([1, 1, -100]))  # -ln 3/4 and -ln 1/5
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(5)) / 2)


def test_next_token_loss_is_shifted() -> None:
    logits = torch.zeros(1, 3, 4)
    logits[0, 0, 2] = math.log(5.0)  # e^0 three times: p = 5/8
    assert next_token_loss(logits, torch.tensor([[0, 2, 1]])).item() == pytest.approx(
        (math.log(8 / 5) + math.log(4)) / 2
    )


def test_nothing_to_learn_costs_nothing() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    loss = label_loss(logits, torch.tensor([-100, -100]))
    loss.backward()
    assert loss.item() == 0.0
    assert not logits.grad.any()


def test_joint_loss_by_hand() -> None:
    assert joint_loss(torch.tensor(2.0), torch.tensor(3.0), 0.05).item() == pytest.approx(2.15)


@pytest.mark.parametrize("every_label", [False, True])
def test_language_model_loss_is_equation_9(
    llama: PreTrainedModel, batch: Batch, trained: Build, every_label: bool
) -> None:
    ids, mask = batch
    labels = ids if every_label else ids.masked_fill(mask == 0, -100)
    model = trained(llama, lambda_=0.25)
    output = model(ids, attention_mask=mask, labels=labels)
    shadow_logits = llama.lm_head(output.shadow_state)
    expected = next_token_loss(output.logits, labels) + 0.25 * next_token_loss(shadow_logits, labels)
    torch.testing.assert_close(output.loss, expected)


def test_classification_loss_is_equation_9(llama: PreTrainedModel, batch: Batch, trained: Build) -> None:
    model = trained(llama, lambda_=0.25, num_labels=5)
    labels = torch.tensor([1, 4])
    output = model.classify(*batch, labels=labels)
    expected = label_loss(output.logits, labels) + 0.25 * label_loss(output.shadow_logits, labels)
    torch.testing.assert_close(output.loss, expected)
    output.loss.backward()
    assert all(weight.grad is not None for weight in model.heads.parameters())


def test_lambda_zero_leaves_the_auxiliary_loss_out(llama: PreTrainedModel, batch: Batch, trained: Build) -> None:
    ids, mask = batch
    output = trained(llama, lambda_=0.0)(ids, attention_mask=mask, labels=ids)
    torch.testing.assert_close(output.loss, next_token_loss(output.logits, ids))


def test_each_task_has_its_own_lambda(trained: Build) -> None:
    ids, mask = make_batch("right")
    labels = torch.tensor([1, 2])
    model = trained(make_llama(), num_labels=4, lambda_=0.1, lambda_classify=0.5)
    output = model.classify(ids, mask, labels)
    expected = label_loss(output.logits, labels) + 0.5 * label_loss(output.shadow_logits, labels)
    torch.testing.assert_close(output.loss, expected)


def test_distillation_pulls_the_shadow_and_not_the_attached_model(trained: Build) -> None:
    ids = make_batch("right")[0].clamp(min=1)
    model = trained(make_llama(), lambda_=0.0, distill=0.5)
    output = model(ids, labels=ids)
    told, heard = output.logits[:, :-1].flatten(0, 1), model.base.lm_head(output.shadow_state)[:, :-1].flatten(0, 1)
    plain = label_loss(told, ids[:, 1:].flatten())
    by_hand = (told.softmax(-1) * (told.log_softmax(-1) - heard.log_softmax(-1))).sum(-1).mean()
    torch.testing.assert_close(output.loss, plain + 0.5 * by_hand)
    (output.loss - plain).backward()
    gradients = [weight.grad for weight in model.adapters.parameters()]
    assert all(gradient is None or gradient.abs().max() < 1e-6 for gradient in gradients)
    assert model.network.backbone.norm.weight.grad.abs().max() > 1e-4


def test_distillation_of_classes_is_the_divergence_of_both_heads(trained: Build) -> None:
    ids, mask = make_batch("right")
    model = trained(make_llama(), num_labels=4, lambda_=0.0, distill=0.5)
    output = model.classify(ids, mask, torch.tensor([1, -100]))
    told, heard = output.logits[:1], output.shadow_logits[:1]  # the other row has no label
    by_hand = (told.softmax(-1) * (told.log_softmax(-1) - heard.log_softmax(-1))).sum()
    assert by_hand > 1e-3
    torch.testing.assert_close(output.loss, label_loss(told, torch.tensor([1])) + 0.5 * by_hand)


def test_distillation_of_equals_costs_nothing() -> None:
    logits = torch.randn(3, 5)
    assert distillation_loss(logits, logits).item() == pytest.approx(0.0, abs=1e-6)
    assert distillation_loss(logits, logits + torch.randn(3, 5)).item() > 0.01
