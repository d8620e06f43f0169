"""The gallery shows each cluster's own members, in order."""

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.inspection import ClusterGalleryDisplay, rank_members

SHADES = (0, 50, 100, 150, 200)
PROBABILITIES = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.1, 0.9]])


@pytest.fixture
def shaded():
    """Five pictures, each of one shade."""
    return np.array(SHADES, np.uint8)[:, None, None].repeat(5, 1).repeat(5, 2)


def shades_in(picture, row, n_columns, side, left=0):
    """Read the shade in the middle of each tile of a row."""
    pixels = np.asarray(picture.convert("L"))
    middles = 4 + side // 2 + np.arange(max(row + 1, n_columns)) * (side + 4)
    return pixels[middles[row], left + middles[:n_columns]].tolist()


def test_sheet_shows_the_most_typical_members_first(shaded):
    """A row has its cluster's members, likeliest first, and nobody else's."""
    members = rank_members(PROBABILITIES, n_typical=3, n_doubtful=0)
    pictures = dict(enumerate(map(Image.fromarray, shaded)))
    sheet = ClusterGalleryDisplay(members, pictures).to_image(side=10)
    assert shades_in(sheet, 0, 3, 10, left=150) == [50, 150, 0]
    assert shades_in(sheet, 1, 3, 10, left=150) == [200, 100, 255]


def test_figure_names_clusters_and_groups(shaded):
    """Doubtful members stand behind a gap; rows say how large a cluster is."""
    display = ClusterGalleryDisplay.from_predictions(
        shaded, PROBABILITIES, n_typical=1, n_doubtful=2
    )
    sheet = Image.fromarray(np.asarray(display.image_.get_array()))
    assert shades_in(sheet, 0, 1, 64) == [50]
    assert shades_in(sheet, 0, 2, 64, left=68 + 16) == [0, 150]
    assert shades_in(sheet, 1, 2, 64, left=68 + 16) == [100, 255]
    rows = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert rows == ["cluster 0\n3 images", "cluster 1\n2 images"]
    columns = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert columns == ["typical", "doubtful"]


def test_estimators_show_what_they_find(fitted, shapes):
    """The members are those of the estimator's probabilities and embedding."""
    images, numbers = shapes[0], {"n_typical": 2, "n_doubtful": 1}
    display = ClusterGalleryDisplay.from_estimator(fitted, images, **numbers)
    found = fitted.predict_proba(images), fitted.transform(images)
    expected = [each.shown for each in rank_members(*found, **numbers)]
    assert [each.shown for each in display.members] == expected
    assert set(display.thumbnails) == set().union(*expected)


def test_broken_files_are_no_obstacle(shaded, tmp_path):
    """Files that a method skipped, with NaN for probabilities, are left out."""
    for index, image in enumerate(shaded):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    (tmp_path / "1.png").write_bytes(b"no image")
    rows = PROBABILITIES.copy()
    rows[1] = np.nan
    display = ClusterGalleryDisplay.from_predictions(tmp_path, rows)
    assert set(display.thumbnails) == {0, 2, 3, 4}


def test_rows_must_match_the_images(shaded):
    """One row for each image, or both numbers are named; a row may be empty."""
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[5, 4\]"):
        ClusterGalleryDisplay.from_predictions(shaded, PROBABILITIES[:4])
    members = rank_members([[1.0, 0.0]], n_typical=0, n_doubtful=0)
    display = ClusterGalleryDisplay(members, {}).plot()
    assert len(display.ax_.get_yticklabels()) == 2
