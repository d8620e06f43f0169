"""Views: pixels, features, positions, or some of them."""

import pytest
import torch

from sklearn_mfavb.views import View, unit_pixels


def test_stack_puts_all_parts_below():
    one = View(torch.zeros(2, 1, 4, 4), torch.zeros(2, 3), torch.zeros(2))
    other = View(torch.ones(5, 1, 4, 4), torch.ones(5, 3), torch.ones(5))
    stacked = one.stack(other)
    assert (one.n_rows, stacked.n_rows) == (2, 7)
    for part in stacked:
        assert part.reshape(7, -1)[:, 0].tolist() == [0, 0, 1, 1, 1, 1, 1]


def test_stack_leaves_out_what_is_missing():
    rows, images = torch.rand(2, 3), torch.zeros(2, 1, 4, 4)
    stacked = View(None, rows).stack(View(None, rows))
    assert stacked.images is None
    assert stacked.features.shape == (4, 3)
    assert stacked.n_rows == 4
    assert View(images).stack(View(images)).features is None


def test_views_of_two_kinds_do_not_stack():
    with pytest.raises(ValueError, match="lacks"):
        View(None, torch.rand(2, 3)).stack(View(torch.zeros(2, 1, 4, 4)))


def test_bytes_become_unit_pixels_and_floats_pass():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    torch.testing.assert_close(unit_pixels(pixels), torch.tensor([0.0, 0.2, 1.0]))
    assert pixels.tolist() == [0, 51, 255]
    floats = torch.rand(3)
    assert unit_pixels(floats) is floats
