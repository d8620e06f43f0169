"""
A folder of pictures, and a report
==================================

This goes from a folder to a table of clusters and a page for the browser. One of the
files is broken, as happens in real folders.
"""

# %%
# First make a folder with small pictures of shapes in two subfolders. In your program,
# use a path such as ``"photos/"`` in its place.
import csv
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image

from sklearn_mfavb import MFAVBClustering, Reading
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.inspection import ClusterGalleryDisplay, gather_findings
from sklearn_mfavb.report import write_report

folder = Path(tempfile.mkdtemp())
pictures, _ = make_shape_images(200, n_clusters=3, image_size=8, random_state=0)
for number, picture in enumerate(pictures):
    file = folder / "photos" / f"day{number % 2}" / f"{number:03}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(file)
(folder / "photos" / "broken.png").write_text("not a picture")

# %%
# ``Reading(on_error="skip")`` leaves out files that cannot be read. For photographs,
# add ``encoder="ViT-B-32"``.
clusterer = MFAVBClustering(
    3, reading=Reading(on_error="skip"), max_epochs=10, random_state=0
)
clusterer.fit(folder / "photos")
for position, reason in clusterer.skipped_.items():
    print(Path(clusterer.paths_[position]).name, "was skipped:", reason[:40])

# %%
# ``labels_`` follows ``paths_``; a file that was skipped has the label -1.
with (folder / "clusters.csv").open("w", newline="", encoding="utf-8") as table:
    writer = csv.writer(table)
    writer.writerow(["path", "cluster"])
    writer.writerows(zip(clusterer.paths_, clusterer.labels_, strict=True))
print((folder / "clusters.csv").read_text("utf-8").count("\n") - 1, "rows")

# %%
# The images are embedded once for the gallery and the report.
found = gather_findings(clusterer, folder / "photos")
ClusterGalleryDisplay.from_findings(found)
page = write_report(clusterer, found, folder / "report.html", random_state=0)
print(page.name, f"{page.stat().st_size / 1e6:.1f} MB: open it in a browser")
plt.show()

# %%
# Pictures that arrive later are assigned to the same clusters.
later, _ = make_shape_images(4, n_clusters=3, image_size=8, random_state=1)
print(clusterer.predict(later))
