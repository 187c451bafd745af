from __future__ import annotations

import math

import pytest
import torch
from tiny import Batch, Build
from transformers import PreTrainedModel

from shadow_intent.shadow import joint_loss, label_loss, next_token_loss


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
