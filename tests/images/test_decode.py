"""Tests of decoding: formats and modes of files, as a viewer would show them."""

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.images import Reading, open_images

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)

GRAY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
COLOR = np.stack([GRAY, GRAY[::-1], 255 - GRAY], axis=-1)


def read_file(image, path, **options):
    """Save an image, read it back and return its pixels, channels last."""
    image.save(path, **options)
    source = open_images([path])
    return source.read([0], source.image_size)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("name", ["png", "bmp", "tiff", "webp", "ppm", "mpo", "gif"])
@pytest.mark.parametrize("pixels", [GRAY, COLOR], ids=["gray", "color"])
def test_eight_bits(tmp_path, name, pixels):
    """Lossless files keep their values, and gray ones their one channel."""
    options = {"lossless": True} if name == "webp" else {}
    read = read_file(Image.fromarray(pixels), tmp_path / f"a.{name}", **options)
    is_gray = pixels.ndim == 2 and name not in ("webp", "gif")
    assert read.shape == (4, 6, 1 if is_gray else 3)
    tolerance = {"mpo": 90, "gif": 16}.get(name, 0)  # lossy; few colors
    expected = np.broadcast_to(pixels.reshape(4, 6, -1), read.shape)
    np.testing.assert_allclose(read.astype(int), expected, atol=tolerance)


@pytest.mark.parametrize("pixels", [GRAY, COLOR], ids=["gray", "color"])
def test_transparency_becomes_white(tmp_path, pixels):
    """RGBA and LA images lie on a white page."""
    alpha = np.zeros((4, 6), dtype=np.uint8)
    alpha[:, :3], alpha[0, 0] = 255, 128
    image = Image.fromarray(pixels)
    image.putalpha(Image.fromarray(alpha))
    opacity = alpha[..., None] / 255
    expected = opacity * pixels.reshape(4, 6, -1) + (1 - opacity) * 255
    read = read_file(image, tmp_path / "a.png")
    np.testing.assert_allclose(read, np.broadcast_to(expected, read.shape), atol=1)


@pytest.mark.parametrize(
    ("outline", "ink", "page"),
    [
        (None, BLACK, WHITE),
        (None, (200, 200, 200), WHITE),
        (None, (255, 255, 0), WHITE),
        (None, WHITE, BLACK),
        (None, (235, 240, 245), BLACK),
        (BLACK, WHITE, WHITE),
        (None, None, WHITE),
    ],
)
def test_a_drawing_shows_on_its_page(tmp_path, outline, ink, page):
    """The page is white, and black where all that is drawn is nearly white."""
    drawing = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    for color, box in ((outline, (1, 1, 7, 7)), (ink, (2, 2, 6, 6))):
        if color:
            drawing.paste((*color, 255), box)
    read = read_file(drawing, tmp_path / "a.png")
    assert tuple(read[0, 0]) == page
    assert tuple(read[3, 3]) == (ink or page)


@pytest.mark.parametrize(
    ("mode", "name", "options", "middle"),
    [
        ("P", "a.png", {}, GREEN),
        ("P", "a.gif", {}, GREEN),
        ("P", "a.png", {"transparency": 1}, WHITE),
        ("P", "a.gif", {"transparency": 1}, WHITE),
        ("RGB", "a.png", {"transparency": GREEN}, WHITE),
    ],
)
def test_palettes_and_transparent_colors(tmp_path, mode, name, options, middle):
    """Palettes become colors; a transparent color becomes white."""
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    read = read_file(image.convert(mode), tmp_path / name, **options)
    np.testing.assert_array_equal(read, [[RED, middle, BLUE]])


def test_one_bit(tmp_path):
    """1-bit images become black and white bytes."""
    read = read_file(Image.fromarray(GRAY > 100), tmp_path / "a.png")
    np.testing.assert_array_equal(read[..., 0], np.where(GRAY > 100, 255, 0))


def test_cmyk(tmp_path):
    """A CMYK JPEG is converted to the colors it prints."""
    image = Image.new("RGB", (16, 16), RED).convert("CMYK")
    read = read_file(image, tmp_path / "a.jpg", quality=100)
    assert np.abs(read.astype(int) - RED).max() < 6


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 1), (8, -1)])
@pytest.mark.parametrize("extension", ["jpg", "tiff", "png"])
def test_orientation(tmp_path, orientation, turns, extension):
    """EXIF orientation is applied, to the reported size too."""
    upright = np.zeros((16, 32), dtype=np.uint8)
    upright[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{extension}"
    stored = Image.fromarray(np.rot90(upright, turns).copy())
    read = read_file(stored, path, exif=exif)
    assert np.abs(read[..., 0].astype(int) - upright).max() < 6
    # The image in memory is read likewise, twice, as it is not changed.
    with open(path, "rb") as file, Image.open(file) as image:
        source = open_images([image])
        for _ in range(2):
            batch = source.read([0], (16, 32))
            np.testing.assert_array_equal(batch[0, 0], read[..., 0])


def test_broken_exif_is_ignored(tmp_path):
    """Good pixels with broken metadata are read."""
    image, path = Image.fromarray(GRAY), tmp_path / "a.png"
    read = read_file(image, path, exif=b"Exif\x00\x00nonsense")
    np.testing.assert_array_equal(read, GRAY[..., None])


def test_first_frame(tmp_path):
    """Of an animation the first frame is read."""
    frames = [Image.new("RGB", (4, 4), color) for color in (RED, BLUE)]
    path = tmp_path / "a.gif"
    read = read_file(frames[0], path, save_all=True, append_images=frames[1:])
    assert (read == RED).all()


def test_large_jpeg_is_decoded_smaller(tmp_path):
    """A large JPEG gives nearly the same small image as its pixels do."""
    ramp = np.linspace(0, 255, 640).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(ramp, (480, 640)).copy())
    image.save(tmp_path / "a.jpg", quality=95)
    small = open_images([tmp_path / "a.jpg"]).read([0], (24, 32)).int()
    exact = open_images(np.asarray(image)[None]).read([0], (24, 32)).int()
    assert (small - exact).abs().max() <= 2


def deep_images(dtype, tops):
    """Return images with values from 0 up to each of some maxima."""
    ramp = np.linspace(0, 1, 32)[None].repeat(32, 0)
    return [Image.fromarray((ramp * top).astype(dtype)) for top in tops]


def brightest(X, **options):
    """Return the brightest byte of each image."""
    source = open_images(X, **options)
    batch = source.read(range(len(source)), (32, 32))
    return batch.flatten(1).amax(1).tolist()


@pytest.mark.parametrize(
    ("dtype", "tops", "white"),
    [
        (np.float32, [0.9, 0.98, 1.0], 1.0),
        (np.float32, [0.9, 0.98, 1.0, 1.02, 1.05], 1.05),
        (np.float32, [100, 200], 200),
        (np.uint16, [200, 255], 255),
        (np.uint16, [1000, 4000], 4095),  # 12 bits in 16
        (np.uint16, [4000, 60000], 65535),
        (np.int32, [4000, 60000], 65535),
        (np.int32, [50, 100000], 100000),
    ],
)
@pytest.mark.parametrize("are_files", [True, False])
def test_deep_images_share_one_scale(tmp_path, dtype, tops, white, are_files):
    """Images with more than 8 bits are read on one scale, kept for new ones."""
    images = deep_images(dtype, tops)
    for number, image in enumerate(images):
        image.save(tmp_path / f"{number}.tiff")
    X = tmp_path if are_files else images
    fitted = open_images(X).format
    assert fitted.deep_range == pytest.approx((0, white))
    expected = np.array(tops) * 255 / white
    np.testing.assert_allclose(brightest(X), expected, atol=0.51)
    new = deep_images(dtype, [tops[0] / 2, 2 * white if white < 2**15 else white])
    read = brightest(new, format=fitted)
    np.testing.assert_allclose(read, [expected[0] / 2, 255], atol=0.51)


def test_pixel_range_reaches_deep_images():
    """An explicit or observed range of deep images replaces the convention."""
    images = deep_images(np.float32, [-1, 3])
    with pytest.raises(ValueError, match=r"image 0.*-1 to .*black is 0.*pixel_range="):
        open_images(images)
    observed, fixed = Reading(pixel_range="data"), Reading(pixel_range=(-1, 4))
    assert open_images(images, reading=observed).format.deep_range == (-1, 3)
    assert brightest(images, reading=observed) == [64, 255]
    assert brightest(images, reading=fixed) == [51, 204]
    with pytest.raises(ValueError, match=r"image 1.*pixel_range is \(-1, 2\)"):
        brightest(images, reading=Reading(pixel_range=(-1, 2)))
    fitted = open_images(images, reading=fixed).format
    assert brightest(deep_images(np.float32, [1]), format=fitted) == [102]


def test_deep_values_that_are_no_numbers():
    """NaN in a file is an error that names it, at fit and at predict."""
    good, bad = deep_images(np.float32, [1, np.nan])
    source = open_images([good, bad], reading=Reading(on_error="skip"))
    assert "NaN" in source.unreadable[1]
    assert source.read([0, 1], (32, 32)).flatten(1).amax(1).tolist() == [255, 0]
    with pytest.raises(ValueError, match=r"image 0.*NaN"):
        brightest([bad], format=source.format)
