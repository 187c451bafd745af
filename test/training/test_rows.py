"""Rows shared between threads give what one thread gives, values and gradients."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn

from training.rows import RowThreads


@pytest.fixture
def threads() -> RowThreads:
    return RowThreads()


@pytest.fixture
def layer() -> nn.Linear:
    torch.manual_seed(3)
    return nn.Linear(6, 5)


@pytest.mark.parametrize("rows", [1, 7, 16, 33])
def test_values_and_gradients_are_those_of_one_thread(threads: RowThreads, layer: nn.Linear, rows: int) -> None:
    layer.double()
    inputs, mask = torch.randn(rows, 4, 6, dtype=torch.float64), torch.rand(rows, 4) > 0.3

    def pooled(batch: Tensor, mask: Tensor) -> Tensor:
        return (layer(batch).tanh() * mask[..., None]).sum(1)

    outcomes = []
    for shared in (False, True):
        given = inputs.clone().requires_grad_()
        result = threads.run(pooled, given, mask, list(layer.parameters())) if shared else pooled(given, mask)
        (result**3).sum().backward()
        outcomes.append([result.detach(), given.grad, *(p.grad for p in layer.parameters())])
        layer.zero_grad()
    for alone, together in zip(*outcomes, strict=True):
        torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-12)


def test_rows_without_gradients_and_token_ids_pass(threads: RowThreads, layer: nn.Linear) -> None:
    ids, mask = torch.arange(40).reshape(20, 2) % 6, torch.ones(20, 2)

    def function(ids: Tensor, mask: Tensor) -> Tensor:
        return layer(nn.functional.one_hot(ids, 6).float()).mean(1)

    result = threads.run(function, ids, mask, list(layer.parameters()))
    result.sum().backward()
    assert layer.bias.grad is not None
    torch.testing.assert_close(layer.bias.grad, torch.full((5,), 20.0))
    with torch.no_grad():
        torch.testing.assert_close(threads.run(function, ids, mask), result)


def test_every_core_takes_part_and_keeps_to_itself() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        threads = RowThreads()
        meet, seen = threading.Barrier(2), []

        def function(rows: Tensor, mask: Tensor) -> Tensor:
            meet.wait(10)  # passes only when both are here at once
            seen.append((threading.get_ident(), torch.get_num_threads()))
            return rows

        threads.run(function, torch.ones(16, 1), torch.ones(16, 1))
        assert len({thread for thread, _ in seen}) == 2
        assert [cores for _, cores in seen] == [1, 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_failure_in_a_thread_is_told_and_leaves_the_cores_as_they_were(threads: RowThreads) -> None:
    cores = torch.get_num_threads()

    def function(rows: Tensor, mask: Tensor) -> Tensor:
        raise ValueError("no such row")

    with pytest.raises(ValueError, match="no such row"):
        threads.run(function, torch.ones(16, 1), torch.ones(16, 1))
    assert torch.get_num_threads() == cores
