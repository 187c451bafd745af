from __future__ import annotations

import math
from collections import UserDict
from typing import Any

import pytest
import torch
from tiny import make_llama, make_small
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode, ShapeEnv
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedTokenizerFast

from shadow_intent.shadow import ShadowNetwork, align_heads
from shadow_intent.shadow.align import _error, _products


def relative_error(large: Tensor, weight: Tensor, small: Tensor) -> float:
    return ((large.double() @ weight.double() - small.double()).norm() / small.double().norm()).item()


def spread(least: float) -> Tensor:
    """(32,) singular values from 1 to `least`, evenly on a logarithmic scale."""
    return torch.logspace(0, math.log10(least), 32, dtype=torch.float64)


def head_of(values: Tensor) -> Tensor:
    """(200, 32) of these singular values."""
    left, right = (torch.linalg.qr(torch.randn(n, 32, dtype=torch.float64)).Q for n in (200, 32))
    return left * values @ right


@pytest.mark.parametrize("rows", [7, 60, 4096])
def test_it_is_the_least_squares_solution_however_it_is_read(rows: int) -> None:
    large, small = torch.randn(60, 32), torch.randn(60, 16)
    weight, error = align_heads(large, small, rows=rows)
    torch.testing.assert_close(weight, torch.linalg.pinv(large) @ small, atol=1e-5, rtol=1e-4)
    assert error == pytest.approx(relative_error(large, weight, small), abs=1e-6)
    assert 0 < error < 1


def test_a_rank_deficient_head_is_survived() -> None:
    large = torch.randn(60, 8) @ torch.randn(8, 32)
    small = torch.randn(60, 16)
    weight, error = align_heads(large, small)
    assert error == pytest.approx(relative_error(large, torch.linalg.pinv(large, rtol=1e-5) @ small, small), abs=1e-4)
    assert error == pytest.approx(relative_error(large, weight, small), abs=1e-6)


def test_sixteen_bits_never_make_it_worse_than_nothing() -> None:
    """Rounding the plain solution of an ill-conditioned head gives an error above 1, as the authors' notebook shows."""
    large = head_of(spread(1e-4))
    small = torch.randn(200, 16, dtype=torch.float64)
    plain = (torch.linalg.pinv(large) @ small).bfloat16()
    assert relative_error(large, plain, small) > 1
    weight, error = align_heads(large, small, torch.bfloat16)
    assert weight.dtype == torch.bfloat16
    assert error == pytest.approx(relative_error(large, weight, small), abs=1e-9)
    assert error < 0.95  # small singular values left out; with all of them it would be 0.96


def test_a_rounded_solution_is_scaled_where_leaving_out_says_nothing() -> None:
    large = head_of(torch.tensor([1.0] + [2e-4] * 31))
    small = large @ torch.linalg.svd(large).Vh[1:].T @ torch.randn(31, 16, dtype=torch.float64)
    plain = (torch.linalg.pinv(large) @ small).bfloat16()
    assert relative_error(large, plain, small) > 1.2
    weight, error = align_heads(large, small, torch.bfloat16)
    assert error == pytest.approx(relative_error(large, weight, small), abs=1e-9)
    assert error < 0.95


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("heads", ["one weak direction", "all weak"])
def test_a_solution_too_large_for_its_type_is_passed_over(heads: str, dtype: torch.dtype) -> None:
    large, small = torch.randn(200, 32, dtype=torch.float64), torch.randn(200, 16, dtype=torch.float64)
    large[:, slice(0, 1) if heads == "one weak direction" else slice(None)] *= 1e-6
    weight, error = align_heads(large, small, dtype)
    assert weight.isfinite().all()
    assert error == pytest.approx(relative_error(large, weight, small), abs=1e-9)
    if dtype != torch.float16:
        expected = relative_error(large, torch.linalg.pinv(large) @ small, small)
    elif heads == "all weak":
        expected = 1.0
    else:
        expected = relative_error(large, torch.linalg.pinv(large, rtol=1e-5) @ small, small)
    assert error == pytest.approx(expected, abs=1e-5)
    assert error <= 1.0


def test_heads_of_float32_are_solved_as_exactly_as_float64_can() -> None:
    """The squares of their singular values are too far apart for float32."""
    large, small = head_of(spread(1e-5)).float(), torch.randn(200, 16)
    expected = torch.linalg.pinv(large.double()) @ small.double()
    weight = align_heads(large, small).weight
    torch.testing.assert_close(weight.double(), expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


def test_heads_are_never_held_whole_as_float64() -> None:
    class Watching(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = func(*args, **(kwargs or {}))
            for x in tree_leaves(made):
                if isinstance(x, Tensor) and x.dtype == torch.float64:
                    self.largest = max(self.largest, x.numel())
            return made

    with Watching() as watching:
        align_heads(torch.randn(1000, 32), torch.randn(1000, 16), rows=50)
    assert watching.largest == 50 * 32  # of the base's head, more than the 32 x 32 of the products


def test_a_head_that_the_other_cannot_say_anything_about_has_error_one() -> None:
    large, small = torch.zeros(20, 8), torch.zeros(20, 4)
    large[:10], small[10:] = torch.randn(10, 8), torch.randn(10, 4)
    weight, error = align_heads(large, small, torch.float16)
    assert error == pytest.approx(1.0)
    assert error <= 1.0
    assert weight.abs().max() < 1e-6


def test_a_head_within_the_other_is_met() -> None:
    large = torch.randn(60, 32)
    assert align_heads(large, large @ torch.randn(32, 16)).error < 1e-6


def test_heads_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="60 and 59 rows"):
        align_heads(torch.randn(60, 32), torch.randn(59, 16))


@pytest.mark.parametrize(
    ("spoiled", "named"),
    [(["large"], "in the base's$"), (["small"], "in the shadow's$"), (["large", "small"], "base's and the shadow's$")],
)
def test_a_head_that_is_not_finite_is_named(spoiled: list[str], named: str) -> None:
    heads = {"large": torch.randn(60, 32), "small": torch.randn(60, 16)}
    for name in spoiled:
        heads[name][3, 3] = float("nan")
    with pytest.raises(ValueError, match=named):
        align_heads(**heads)


def test_heads_may_be_on_two_devices() -> None:
    """Fake tensors compute nothing, but refuse to be mixed as those of a CPU and a GPU do."""
    with FakeTensorMode(shape_env=ShapeEnv()):
        large, small, weight = torch.empty(60, 32), torch.empty(60, 16, device="meta"), torch.empty(32, 16)
        gram, right, _ = _products(large, small, 7)
        assert (gram.device.type, right.device.type) == ("cpu", "cpu")
        with pytest.raises(GuardOnDataDependentSymNode):  # all products are there, only their sum has no value
            _error(weight, large, small, 1.0, 7)


def test_an_explicit_shadow_reports_its_alignment() -> None:
    base = make_llama()
    small = make_small()
    network = ShadowNetwork.explicit(small, base, same_vocabulary=True)
    expected = relative_error(base.lm_head.weight, network.projection.weight, small.lm_head.weight)
    assert network.alignment == pytest.approx(expected, abs=1e-6)
    assert 0 < network.alignment < 1
    assert ShadowNetwork.explicit(base, base, same_vocabulary=True).alignment is None


VOCABULARY = {"a": 0, "b": 1}


def test_other_tokens_are_refused() -> None:
    base, small = make_llama(), make_small()
    ShadowNetwork.explicit(small, base, tokenizers=(VOCABULARY, dict(VOCABULARY)))
    with pytest.raises(ValueError, match="one vocabulary, but 4 entries differ, the first 'a' at id 0"):
        ShadowNetwork.explicit(small, base, tokenizers=(VOCABULARY, {"b": 0, "a": 1}))


def test_without_tokenizers_somebody_must_vouch_for_the_tokens() -> None:
    base, small = make_llama(), make_small()
    with pytest.raises(ValueError, match=r"give tokenizers=.* or same_vocabulary=True where it is known"):
        ShadowNetwork.explicit(small, base)
    assert ShadowNetwork.explicit(small, base, same_vocabulary=True).own_embedding


def test_vocabularies_are_compared_however_they_are_given() -> None:
    base, small = make_llama(), make_small()
    words = Tokenizer(WordLevel(VOCABULARY, unk_token="a"))
    fast = PreTrainedTokenizerFast(tokenizer_object=words)
    for same in (words, fast, UserDict(VOCABULARY)):
        ShadowNetwork.explicit(small, base, tokenizers=(VOCABULARY, same))
        with pytest.raises(ValueError, match="1 entries differ, the first 'c' at id 2"):
            ShadowNetwork.explicit(small, base, tokenizers=({"a": 0, "b": 1, "c": 2}, same))
    with pytest.raises(ValueError, match="token -> id, got str"):
        ShadowNetwork.explicit(small, base, tokenizers=("some-model", VOCABULARY))


def test_padded_tables_of_one_vocabulary_are_taken() -> None:
    base, small = make_llama(), make_small(vocab_size=72)
    with pytest.raises(ValueError, match="72 rows and the base's 60: give both tokenizers"):
        ShadowNetwork.explicit(small, base, same_vocabulary=True)
    network = ShadowNetwork.explicit(small, base, tokenizers=(VOCABULARY, VOCABULARY))
    expected = align_heads(base.lm_head.weight, small.lm_head.weight[:60])
    torch.testing.assert_close(network.projection.weight, expected.weight)


def test_an_explicit_shadow_may_read_the_table_of_its_base() -> None:
    base = make_llama()
    network = ShadowNetwork.explicit(make_llama(), base, share_embedding=True, same_vocabulary=True)
    assert network.embedding is base.model.embed_tokens
    with pytest.raises(ValueError, match="embedding of width 16 expected, got 32"):
        ShadowNetwork.explicit(make_small(), base, share_embedding=True, same_vocabulary=True)
