"""
Look at clusters
================

Five pictures that answer what a score cannot: what the network sees, whether it
learned, what is in each cluster, which clusters touch, and, where classes are known,
which of them are mixed up. A page for the browser has most of them together.
"""

# %%
# The digits that come with scikit-learn. Classes are for the last picture only.
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
# Views come first, because they need no training: whatever changes between two views
# of an image is what the network learns to overlook.
ViewsDisplay.from_estimator(clusterer, images, random_state=0)

# %%
# Terms of the loss should have settled when training ends.
clusterer.fit(images)
TrainingCurvesDisplay.from_estimator(clusterer)

# %%
# The images are embedded once for the next pictures. On the left the likeliest members
# of every cluster, on the right those that the model is least sure of.
found = gather_findings(clusterer, images)
ClusterGalleryDisplay.from_findings(found)

# %%
# Neighbors on the map are neighbors in the embedding; the gaps mean nothing.
EmbeddingMapDisplay.from_findings(found, random_state=0)

# %%
# Each digit beside the cluster that matches it best.
MatchedConfusionDisplay.from_findings(found, digits)
plt.show()

# %%
# All of that, to keep and to pass on: open the file in a browser.
print(write_report(clusterer, images, "digits_report.html", random_state=0))
