"""The page as Chromium sees it; skipped where there is none."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from sklearn_mfavb.report import write_report

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


PRESS = """
addEventListener("load", () => setTimeout(() => {
  const canvas = document.getElementById("map-canvas");
  for (const key of ["ArrowRight", "ArrowLeft", "+", "+", "-", "0"])
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
}, 300));
"""


def test_keys_choose_an_image(browse, fitted, shapes, tmp_path):
    """Arrows put an image with its name and cluster beside the map."""
    out = write_report(fitted, shapes, tmp_path / "page.html", random_state=0)
    shown = browse(out, "--dump-dom", script=PRESS)
    picture = re.search(r'<img id="shown-picture"[^>]*>', shown)[0]
    assert "hidden" not in picture
    row = int(re.search(r'alt="image (\d+)"', picture)[1])
    assert f'id="shown-name" class="name">image {row}<' in shown
    told = f'<p id="shown-cluster">cluster {fitted.labels_[row]}, '
    assert told in shown


def test_names_run_no_code(browse, skipping, hostile_folder, tmp_path):
    """Neither the page nor its script runs what a file is called."""
    out = write_report(skipping, hostile_folder, tmp_path / "page.html")
    shown = browse(out, "--dump-dom", script=PRESS)
    assert "<title>Clusters of " in shown
    assert 'id="shown-name" class="name">below/' in shown


def test_map_is_drawn(browse, fitted, shapes, tmp_path):
    """In light and in dark the screen has colors of clusters on the right ground."""
    out = write_report(fitted, shapes, tmp_path / "page.html", random_state=0)
    for scheme, ground in ((1, 255), (0, 0x13)):
        picture = tmp_path / f"{scheme}.png"
        browse(
            out,
            f"--screenshot={picture}",
            "--window-size=1000,900",
            f"--blink-settings=preferredColorScheme={scheme}",
            script="document.getElementById('summary').remove()",
        )
        pixels = np.asarray(Image.open(io.BytesIO(picture.read_bytes())).convert("RGB"))
        assert pixels[0, 0, 0] == ground
        plane = pixels[300:750, 60:650].astype(int)
        assert (np.ptp(plane, axis=2) > 60).sum() > 200  # colored pixels
