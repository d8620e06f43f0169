"""Tests of keeping the memory that training frees."""

import resource
import sys

import pytest
import torch

from sklearn_mfavb.training import keep_freed_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc only")


def count_page_faults():
    """Take and free 64 MiB, four times; count pages that the system had to give."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(2**26, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.fixture
def usual():
    """Count what it costs without; skip where pages are so large that it is nothing."""
    faults = count_page_faults()
    if faults < 1000:
        pytest.skip("pages are large here")
    return faults


def test_memory_is_kept_inside_and_given_back_after(usual, monkeypatch):
    """Inside the block what was freed is taken again; an error ends it as well."""
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    with pytest.raises(KeyError), keep_freed_memory():
        assert min(count_page_faults() for _ in range(3)) < usual / 4
        raise KeyError
    assert count_page_faults() > usual / 4


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_wishes_of_the_user_stand(usual, monkeypatch, name):
    """Where the environment says what becomes of freed memory, nothing is changed."""
    monkeypatch.setenv(name, "1")
    with keep_freed_memory():
        assert min(count_page_faults() for _ in range(3)) > usual / 4
