"""
First clusters
==============

Pictures without labels go in, clusters come out, and the most typical members of every
cluster show what was found.
"""

# %%
# Small pictures of four kinds of shapes, at random places and in random sizes. The
# kinds are kept aside, to score with.
import matplotlib.pyplot as plt

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.inspection import ClusterGalleryDisplay
from sklearn_mfavb.metrics import clustering_summary

images, kinds = make_shape_images(400, n_clusters=4, image_size=8, random_state=0)

# %%
# Grayscale pictures get the augmentation for characters, and nearest neighbors as
# positives, by default.
clusterer = MFAVBClustering(n_clusters=4, max_epochs=20, random_state=0)
labels = clusterer.fit_predict(images)
print(clustering_summary(kinds, labels))

# %%
# One row per cluster: the likeliest members, and those the model is least sure of.
ClusterGalleryDisplay.from_estimator(clusterer, images)
plt.show()
