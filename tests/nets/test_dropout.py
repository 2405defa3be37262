"""Dropout from a hash: the hash is the published one, and masks are as random as they have to be."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from regimens.nets.dropout import AlphaDropout, Dropout, pcg3d

N = 20_000


def test_the_hash_is_the_published_one() -> None:
    """Against its definition in unsigned arithmetic, which wraps by itself."""
    words = np.random.default_rng(0).integers(0, 2**32, (3, 1000), dtype=np.uint32)
    words = words * np.uint32(1664525) + np.uint32(1013904223)
    x, y, z = words.copy()
    x += y * z
    y += z * x
    z += x * y
    x, y, z = (word ^ word >> np.uint32(16) for word in (x, y, z))
    x += y * z
    ours = pcg3d(*(torch.from_numpy(word.view(np.int32)) for word in words))
    assert np.array_equal(ours.numpy().view(np.uint32), x)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.9])
def test_each_input_is_dropped_with_the_rates_probability_whatever_came_before(rate: float) -> None:
    torch.manual_seed(0)
    layer = Dropout(rate)
    first, second = (layer(torch.ones(N)) for _ in range(2))
    assert first.unique().tolist() == pytest.approx([0, 1 / (1 - rate)])
    dropped, again = first == 0, second == 0
    for share, expected in (
        (dropped.float().mean(), rate),
        ((dropped & again).float().mean(), rate**2),  # of one place in two passes
        ((dropped[1:] & dropped[:-1]).float().mean(), rate**2),  # of neighbours
    ):
        assert float(share) == pytest.approx(expected, abs=4.5 * math.sqrt(expected * (1 - expected) / N))


def test_layers_have_their_own_masks_and_a_seed_gives_the_same_again() -> None:
    def masks(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return [layer(torch.ones(N)) for layer in (Dropout(0.5), Dropout(0.5))]

    one, other = masks(1)
    assert 0.45 < float((one == other).float().mean()) < 0.55
    assert all(torch.equal(a, b) for a, b in zip(masks(1), [one, other], strict=True))
    assert not torch.equal(masks(2)[0], one)


def test_alpha_dropout_keeps_mean_and_variance_and_drops_to_selus_limit() -> None:
    torch.manual_seed(0)
    x = torch.randn(200_000)
    out = AlphaDropout(0.2)(x)
    assert float(out.mean()) == pytest.approx(0, abs=0.02)
    assert float(out.var()) == pytest.approx(1, abs=0.02)
    limit = float(nn.functional.selu(torch.tensor(-100.0)))
    a = (0.8 * (1 + limit**2 * 0.2)) ** -0.5
    assert float(out.mode().values) == pytest.approx(a * limit * 0.8, rel=1e-5)  # a limit + b, with b = -a limit rate


def test_in_evaluation_nothing_happens_and_a_file_knows_nothing_of_it() -> None:
    layer = Dropout(0.5).eval()
    x = torch.randn(3, 4)
    assert layer(x) is x
    assert not layer.state_dict()
