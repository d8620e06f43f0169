"""Fixtures shared by all tests."""

import pytest
import torch


@pytest.fixture(autouse=True)
def fixed_global_seed():
    """Start every test from one global seed, so that a failure can be replayed."""
    torch.manual_seed(0)
