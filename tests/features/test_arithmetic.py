"""When an encoder runs in half precision."""

import pytest
import torch

from sklearn_mfavb.features import load_encoder
from sklearn_mfavb.features._arithmetic import choose_arithmetic, name_arithmetic

CPU = torch.device("cpu")


@pytest.fixture(params=["avx512_bf16", "amx_bf16", None])
def capability(request, monkeypatch):
    """Pretend that the CPU multiplies bfloat16, or that it does not."""
    found = {} if request.param is None else {request.param: True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    return request.param


def test_automatic_choice(capability):
    """Half precision is for large encoders, where the CPU has instructions for it."""
    expected = None if capability is None else torch.bfloat16
    assert choose_arithmetic("auto", CPU, n_parameters=86_000_000) == expected
    assert choose_arithmetic("auto", CPU, n_parameters=86_000) is None


def test_wishes_are_granted(capability):
    """The user's choice holds for every device and size."""
    assert choose_arithmetic("float32", CPU, n_parameters=86_000_000) is None
    assert choose_arithmetic("bfloat16", CPU, n_parameters=1) == torch.bfloat16


def test_names(capability):
    """Features are only shared by runs that choose alike."""
    automatic = "float32" if capability is None else "auto"
    assert name_arithmetic("auto", CPU) == automatic
    assert name_arithmetic("bfloat16", CPU) == "bfloat16"


def test_residuals_stay_exact(tiny, tiny_weights):
    """In half precision, the sums over open_clip's layers are float32 all the same."""
    tower = load_encoder(tiny().model, tiny_weights).tower
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        tokens = tower.transformer(torch.zeros(1, 5, 16))
        assert tower.conv1(torch.zeros(1, 3, 32, 32)).dtype == torch.float32
        assert tokens.dtype == torch.float32


def test_features_do_not_depend_on_what_passes_together(tiny, tiny_weights):
    """Many images, embedded part by part, are as each by itself."""
    encoder = load_encoder(tiny().model, tiny_weights)
    images = torch.rand(21, 3, 40, 30)
    alone = torch.cat([encoder.embed(image[None]) for image in images])
    torch.testing.assert_close(encoder.embed(images), alone, rtol=1e-4, atol=1e-5)
