"""Linear layers by oneDNN: products and gradients to rounding, and what is left alone."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn

from training import onednn
from training.onednn import OneDnn


def results(linear: nn.Linear, rows: Tensor) -> list[Tensor]:
    """The product and the gradients of all that takes part."""
    leaf = rows.clone().requires_grad_()
    product = linear(leaf)
    sources = [leaf, *(weight for weight in linear.parameters() if weight.requires_grad)]
    return [product, *torch.autograd.grad(product.square().sum(), sources)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("shape", [(24,), (1, 24), (5, 24), (3, 7, 24)], ids=str)
def test_products_and_gradients(shape: tuple[int, ...], bias: bool, frozen: bool) -> None:
    linear, rows = nn.Linear(24, 40, bias=bias), torch.randn(shape)
    linear.weight.requires_grad_(not frozen)
    expected = results(linear, rows)
    with OneDnn():
        got = results(linear, rows)
        assert type(linear(rows.requires_grad_()).grad_fn).__name__ == "_LinearBackward"
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)


def test_only_large_products_are_rounded_and_only_when_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    linear, rows = nn.Linear(256, 32), torch.randn(onednn.LARGE // 256 + 1, 256)
    exact = results(linear, rows)
    monkeypatch.setattr(onednn, "multiplies_bfloat16", lambda: True)
    for rounded, left, error in ((True, rows, 1e-2), (False, rows, 1e-5), (True, rows[:-2], 1e-5)):
        expected = exact if len(left) == len(rows) else results(linear, left)
        with OneDnn(rounded):
            got = results(linear, left)
        for ours, theirs in zip(got, expected, strict=True):
            off = float((ours - theirs).norm() / theirs.norm())
            assert off < error and (off > 1e-4) == (error > 1e-4)
            assert ours.dtype == torch.float32


def test_other_types_autocast_and_other_threads_are_left_alone() -> None:
    linear, rows = nn.Linear(24, 40), torch.randn(5, 24)
    made = []
    with OneDnn():
        assert torch.equal(
            linear.double()(rows.double()), torch.nn.functional.linear(rows.double(), *linear.parameters())
        )
        linear.float()
        with torch.autocast("cpu", torch.bfloat16):
            assert linear(rows).dtype == torch.bfloat16
        other = threading.Thread(target=lambda: made.append(linear(rows)))
        other.start()
        other.join()
    assert type(made[0].grad_fn).__name__ == type(linear(rows).grad_fn).__name__ != "_LinearBackward"
