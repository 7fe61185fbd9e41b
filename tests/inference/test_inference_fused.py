"""What stands between an encoder's products, in one pass, is what PyTorch computes in several."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erf
from torch.nn import functional

from limbeck.inference import fused

SHAPES = st.tuples(st.integers(0, 5), st.integers(8, 70))


def drawn(shape, seed, spread=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * spread).astype(np.float32)


def test_gelu_is_the_exact_one_to_the_sixth_digit():
    z = np.linspace(-14, 14, 1_000_001, dtype=np.float32)
    found = z[None].copy()
    fused.gelu(found, np.zeros_like(z))
    wide = z.astype(np.float64)
    exact = wide * (1 + erf(wide / np.sqrt(2))) / 2
    assert np.abs(found[0] - exact).max() < 2e-6
    assert (found[0][z > 6] == z[z > 6]).all()
    assert np.abs(found[0][z < -6]).max() < 1e-6


@given(SHAPES, st.integers(0, 99))
def test_gelu_adds_the_bias_before(shape, seed):
    y, bias = drawn(shape, seed, 3), drawn(shape[1], seed + 1)
    expected = functional.gelu(torch.from_numpy(y + bias)).numpy()
    fused.gelu(y, bias)
    np.testing.assert_allclose(y, expected, atol=2e-6)


@given(SHAPES, st.integers(0, 99), st.sampled_from([1e-12, 1e-5]))
def test_rows_are_summed_and_normalised(shape, seed, least):
    y, residual = drawn(shape, seed, 5), drawn(shape, seed + 1, 5)
    bias, gain, shift = (drawn(shape[1], seed + n) for n in (2, 3, 4))
    given = torch.from_numpy((y.astype(np.float64) + bias) + residual)
    scaling = (torch.from_numpy(part.astype(np.float64)) for part in (gain, shift))
    expected = functional.layer_norm(given, shape[1:], *scaling, eps=least).numpy()
    fused.add_and_normalise(y, bias, residual, gain, shift, np.float32(least))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
