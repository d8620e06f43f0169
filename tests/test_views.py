"""Views: pixels, features, or both."""

import torch

from sklearn_mfavb.views import View


def test_stack_puts_both_parts_below():
    """Images and features of the other view follow those of the first."""
    one = View(torch.zeros(2, 1, 4, 4), torch.zeros(2, 3))
    other = View(torch.ones(5, 1, 4, 4), torch.ones(5, 3))
    stacked = one.stack(other)
    for part in (stacked.images, stacked.features):
        assert part.flatten(1)[:, 0].tolist() == [0, 0, 1, 1, 1, 1, 1]


def test_stack_leaves_out_what_is_missing():
    """Views without images or without features stack to the same kind of view."""
    rows = torch.rand(2, 3)
    assert View(None, rows).stack(View(None, rows)).images is None
    assert View(None, rows).stack(View(None, rows)).features.shape == (4, 3)
    assert View(torch.zeros(2, 1, 4, 4)).stack(View(torch.zeros(2, 1, 4, 4)))[1] is None
