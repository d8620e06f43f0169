"""Tests of decoding: formats and modes of pictures, as a person would see them."""

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.images import open_images

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

GREY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)


def read_file(image, path, **options):
    """Save a picture, read it back and return its pixels, channels last."""
    image.save(path, **options)
    source = open_images([path])
    return source.read([0], source.image_size)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("extension", ["png", "bmp", "tiff", "pgm"])
def test_grey_files(tmp_path, extension):
    """Grey pictures in lossless formats keep their one channel and values."""
    pixels = read_file(Image.fromarray(GREY), tmp_path / f"a.{extension}")
    np.testing.assert_array_equal(pixels, GREY[..., None])


def test_grey_gif(tmp_path):
    """A GIF has a palette, so that even a grey one is read as colours."""
    pixels = read_file(Image.fromarray(GREY), tmp_path / "a.gif")
    np.testing.assert_array_equal(pixels, GREY[..., None].repeat(3, axis=2))


@pytest.mark.parametrize("name", ["png", "bmp", "tiff", "webp", "ppm"])
def test_colour_files(tmp_path, name):
    """RGB pictures in lossless formats keep their values."""
    options = {"lossless": True} if name == "webp" else {}
    pixels = read_file(Image.fromarray(COLOUR), tmp_path / f"a.{name}", **options)
    np.testing.assert_array_equal(pixels, COLOUR)


def test_transparency_becomes_white(tmp_path):
    """RGBA and LA pictures lie on a white page."""
    alpha = np.zeros((4, 6), dtype=np.uint8)
    alpha[:, :3] = 255
    colour = Image.fromarray(np.dstack([COLOUR, alpha]))
    grey = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)])
    opaque = (alpha == 255)[..., None]
    pixels = read_file(colour, tmp_path / "rgba.png")
    np.testing.assert_array_equal(pixels, np.where(opaque, COLOUR, 255))
    pixels = read_file(grey, tmp_path / "la.png")
    np.testing.assert_array_equal(pixels, np.where(opaque, GREY[..., None], 255))


def test_half_transparent(tmp_path):
    """Half transparent black on white is mid grey."""
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert (read_file(image, tmp_path / "a.png") == 127).all()


def palette_picture():
    """Return red, green and blue dots with a palette."""
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    return image


@pytest.mark.parametrize("extension", ["png", "gif"])
def test_palettes(tmp_path, extension):
    """Palette pictures become colours; their transparent entry becomes white."""
    pixels = read_file(palette_picture(), tmp_path / f"a.{extension}")
    np.testing.assert_array_equal(pixels, [[RED, GREEN, BLUE]])
    path = tmp_path / f"b.{extension}"
    pixels = read_file(palette_picture(), path, transparency=1)
    np.testing.assert_array_equal(pixels, [[RED, WHITE, BLUE]])


def test_transparent_colour(tmp_path):
    """A PNG's transparent colour becomes white."""
    image = Image.fromarray(np.array([[RED, GREEN]], dtype=np.uint8))
    pixels = read_file(image, tmp_path / "a.png", transparency=GREEN)
    np.testing.assert_array_equal(pixels, [[RED, WHITE]])


def test_one_bit(tmp_path):
    """1-bit pictures become black and white bytes."""
    image = Image.fromarray(GREY > 100)
    pixels = read_file(image, tmp_path / "a.png")
    np.testing.assert_array_equal(pixels[..., 0], np.where(GREY > 100, 255, 0))


@pytest.mark.parametrize("extension", ["png", "tiff"])
def test_sixteen_bits(tmp_path, extension):
    """16-bit grey is scaled to 8 bits, not clipped."""
    image = Image.fromarray(GREY.astype(np.uint16) * 257)
    pixels = read_file(image, tmp_path / f"a.{extension}")
    np.testing.assert_array_equal(pixels, GREY[..., None])


@pytest.mark.parametrize(
    ("dtype", "factor"),
    [(np.int32, 257), (np.float32, 1 / 255), (np.float32, 1), (np.float32, 257)],
)
def test_deep_modes(dtype, factor):
    """Modes I and F are scaled to 8 bits by what their values can mean."""
    image = Image.fromarray((GREY.astype(float) * factor).astype(dtype))
    source = open_images([image])
    np.testing.assert_array_equal(source.read([0], (4, 6))[0, 0], GREY)


@pytest.mark.parametrize("value", [-1, 70000, np.nan])
def test_deep_values_without_meaning(value):
    """Deep values that are no 16-bit grey are refused."""
    source = open_images([Image.fromarray(np.full((2, 2), value, dtype=np.float32))])
    with pytest.raises(ValueError, match=r"image 0.*mode F.*outside 0 to 65535"):
        source.verify((2, 2))


def test_cmyk(tmp_path):
    """A CMYK JPEG is converted to the colours it prints."""
    image = Image.new("RGB", (16, 16), RED).convert("CMYK")
    pixels = read_file(image, tmp_path / "a.jpg", quality=100)
    assert np.abs(pixels.astype(int) - RED).max() < 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "tiff", "png"])
def test_orientation(tmp_path, orientation, extension):
    """EXIF orientation is applied, to the reported size too."""
    upright = np.zeros((16, 32), dtype=np.uint8)
    upright[:8, :8] = 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{extension}"
    pixels = read_file(Image.fromarray(stored.copy()), path, exif=exif)
    assert np.abs(pixels[..., 0].astype(int) - upright).max() < 6


def test_broken_exif_is_ignored(tmp_path):
    """Good pixels with broken metadata are read."""
    path = tmp_path / "a.png"
    pixels = read_file(Image.fromarray(GREY), path, exif=b"Exif\x00\x00nonsense")
    np.testing.assert_array_equal(pixels, GREY[..., None])


def test_first_frame(tmp_path):
    """Of an animation the first frame is read."""
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]
    path = tmp_path / "a.gif"
    pixels = read_file(frames[0], path, save_all=True, append_images=frames[1:])
    assert (pixels == RED).all()


def test_large_jpeg_is_decoded_smaller(tmp_path):
    """A large JPEG gives nearly the same small picture as its pixels do."""
    ramp = np.linspace(0, 255, 640).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(ramp, (480, 640)).copy())
    path = tmp_path / "a.jpg"
    image.save(path, quality=95)
    small = open_images([path]).read([0], (24, 32)).int()
    exact = open_images(np.asarray(image)[None]).read([0], (24, 32)).int()
    assert (small - exact).abs().max() <= 2
