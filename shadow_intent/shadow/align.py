"""Where P of equation (1) starts when shadow and base differ in width: Moore-Penrose head alignment."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

CUTOFFS = (0.0, 1e-5, 1e-3, 1e-2)
"""Relative singular values below which a direction of the base's head is left out, tried in turn."""


class Alignment(NamedTuple):
    """A start for P of equation (1)."""

    weight: Tensor
    """(d, d_s), the weight of a `Linear(d_s, d)`."""
    error: float
    """||W_large weight - W_small|| / ||W_small|| (Frobenius) of the weight as it is stored, in [0, 1]."""


def align_heads(large: Tensor, small: Tensor, dtype: torch.dtype | None = None, rows: int = 4096) -> Alignment:
    """P of (1) with W_large P closest to W_small: the base's head on s0 then says what the small model's head says.

    P = pinv(W_large) W_small by least squares in float64. The heads are read `rows` tokens at a time: beside them only
    two matrices of d x d and d x d_s are held. Rounding to 16 bits can make a least-squares solution of an
    ill-conditioned head worse than none (an error above 1), so the error is measured after rounding, small singular
    values are left out where that is better, and the result is scaled by its own optimal factor. A solution too large
    for `dtype` is passed over; where all are, the weight is zero and the error 1.

    Args:
        large: (V, d) head of the base.
        small: (V, d_s) head of the shadow, rows in the same order; may be on another device.
        dtype: type the weight is stored in; None takes that of `small`.
        rows: tokens read at a time.

    Returns:
        The weight, on the device of `large`, and its relative error.

    Raises:
        ValueError: the heads do not have one row per token of one vocabulary, or hold something not finite.
    """
    if large.shape[0] != small.shape[0]:
        raise ValueError(f"both heads must have one row per token, got {large.shape[0]} and {small.shape[0]} rows")
    dtype = dtype or small.dtype
    large, small = large.detach(), small.detach()
    gram, right, norm = _products(large, small, rows)
    odd = ["base's"] if not gram.isfinite().all() else []
    odd += ["shadow's"] if not math.isfinite(norm) else []
    if odd or not right.isfinite().all():
        where = " and the ".join(odd) or "products of both"
        raise ValueError(f"the heads must be finite, but inf or nan is in the {where}")
    if not norm:
        return Alignment(torch.zeros(large.shape[1], small.shape[1], dtype=dtype, device=large.device), 0.0)
    values, vectors = torch.linalg.eigh(gram)  # squared singular values, ascending
    best = Alignment(torch.zeros(right.shape, dtype=dtype, device=right.device), 1.0)
    for cutoff in CUTOFFS:
        least = values[-1] * max(cutoff**2, torch.finfo(torch.float64).eps * len(values))
        inverse = torch.where(values > least, values.reciprocal(), 0.0)
        weight = ((vectors * inverse) @ (vectors.T @ right)).to(dtype)
        error, factor = _error(weight, large, small, norm, rows)
        if error > 1.0:  # rounding made it worse than nothing
            weight = (weight * factor).to(dtype)
            error, _ = _error(weight, large, small, norm, rows)
        if error < best.error and bool(weight.isfinite().all()):  # it may be too large for 16 bits
            best = Alignment(weight, error)
    return best


def _products(large: Tensor, small: Tensor, rows: int) -> tuple[Tensor, Tensor, float]:
    """W_large^T W_large (d, d), W_large^T W_small (d, d_s) and ||W_small||^2, in float64."""
    gram = large.new_zeros(large.shape[1], large.shape[1], dtype=torch.float64)
    right = large.new_zeros(large.shape[1], small.shape[1], dtype=torch.float64)
    norm = 0.0
    for start in range(0, len(large), rows):
        tall, low = large[start : start + rows].double(), small[start : start + rows].double()
        gram.addmm_(tall.T, tall)
        right.addmm_(tall.T, low.to(tall.device))
        norm += low.square().sum().item()
    return gram, right, norm


def _error(weight: Tensor, large: Tensor, small: Tensor, norm: float, rows: int) -> tuple[float, float]:
    """The relative error of `weight`, and the factor that would make it least."""
    square, product = 0.0, 0.0
    exact = weight.double()
    for start in range(0, len(large), rows):
        got = large[start : start + rows].double() @ exact  # (rows, d_s)
        low = small[start : start + rows].to(large.device).double()
        square += got.square().sum().item()
        product += (got * low).sum().item()
    error = max(0.0, square - 2 * product + norm) / norm
    return error**0.5, product / square if square else 0.0
