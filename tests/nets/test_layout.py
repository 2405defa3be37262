"""Rows of numbers as pictures: each pixel where it belongs."""

import pytest
import torch

from regimens.nets.layout import Layout, picture_of


@pytest.mark.parametrize(
    ("shape", "picture"),
    [((28, 28), (1, 28, 28)), ((32, 20, 3), (3, 32, 20)), ((3, 32, 20), (3, 32, 20)), ((5, 6, 1), (1, 5, 6))],
)
def test_every_pixel_is_where_it_belongs(shape: tuple[int, ...], picture: tuple[int, ...]) -> None:
    assert picture_of(shape) == picture
    held = torch.arange(2 * torch.Size(shape).numel()).view(2, *shape)
    laid_out = Layout(shape)(held.flatten(1))
    assert laid_out.shape == (2, *picture)
    assert torch.equal(Layout(shape)(laid_out), laid_out)
    for place in ((0, 0), (1, 2), (4, 3)):
        own = held[1][place] if len(shape) == 2 else held[1][place] if shape[2] in (1, 3) else held[1, :, *place]
        assert torch.equal(laid_out[1, :, *place], own.flatten())


@pytest.mark.parametrize("shape", [(13,), (2, 3, 4, 5), ()])
def test_other_examples_pass_through(shape: tuple[int, ...]) -> None:
    assert picture_of(shape) is None
    x = torch.randn(2, 13)
    assert Layout(shape)(x) is x
