"""
Look at clusters
================

Five pictures answer what a score cannot: what the network sees, whether it learned,
what is in each cluster, which clusters touch, and, if classes are known, which classes
are mixed up. A page for the browser has most of them together.
"""

# %%
# These are the digits that come with scikit-learn. Their classes are used in the last
# picture only.
import matplotlib.pyplot as plt

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import load_digit_images
from sklearn_mfavb.inspection import (
    ClusterGalleryDisplay,
    EmbeddingMapDisplay,
    MatchedConfusionDisplay,
    TrainingCurvesDisplay,
    ViewsDisplay,
    gather_findings,
)
from sklearn_mfavb.report import write_report

images, digits = load_digit_images()
images, digits = images[:600], digits[:600]
clusterer = MFAVBClustering(n_clusters=10, max_epochs=15, random_state=0)

# %%
# Views need no training, so they come first. The network learns to ignore whatever
# changes between two views of an image.
ViewsDisplay.from_estimator(clusterer, images, random_state=0)

# %%
# The terms of the loss should be flat when training ends.
clusterer.fit(images)
TrainingCurvesDisplay.from_estimator(clusterer)

# %%
# The images are embedded once for the next pictures. On the left are the most probable
# members of every cluster, on the right those of which the model is least certain.
found = gather_findings(clusterer, images)
ClusterGalleryDisplay.from_findings(found)

# %%
# Neighbors on the map are neighbors in the embedding; the gaps mean nothing.
EmbeddingMapDisplay.from_findings(found, random_state=0)

# %%
# Each digit is matched with the cluster that fits it best.
MatchedConfusionDisplay.from_findings(found, digits)
plt.show()

# %%
# The report has all of this in one file. Open it in a browser.
print(write_report(clusterer, images, "digits_report.html", random_state=0))
