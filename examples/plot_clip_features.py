"""
Clusters of photographs, with CLIP
==================================

Photographs are best clustered with features of a network that has seen many. k-means on
these features is the baseline. `MFAVBClustering` learns from the same features that an
image should agree with its nearest neighbors.

The weights (about 350 MB) are downloaded once. To use a file of weights instead, name
it in the environment variable ``CLIP_WEIGHTS``, and its model in ``CLIP_MODEL``.
"""

# %%
# Two photographs come with scikit-learn. Cut into 480 pieces, they are a small data set
# with a question: which pieces are from the same photograph?
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_sample_images
from sklearn.pipeline import make_pipeline

from sklearn_mfavb import CLIPFeatures, MFAVBClustering
from sklearn_mfavb.inspection import ClusterGalleryDisplay
from sklearn_mfavb.metrics import clustering_summary

SIDE = 32
photographs = load_sample_images().images
pieces = [
    photograph[row : row + SIDE, column : column + SIDE]
    for photograph in photographs
    for row in range(0, 384, SIDE)
    for column in range(0, 640, SIDE)
]
images = np.stack(pieces)
origin = np.repeat([0, 1], len(images) // 2)

# %%
# The baseline takes one line. Features are kept in a folder, where the second method
# and the next run find them.
encoder = CLIPFeatures(
    os.environ.get("CLIP_MODEL", "ViT-B-32"),
    os.environ.get("CLIP_WEIGHTS", "openai"),
    cache_dir="features",
    verbose=1,
)
kmeans = make_pipeline(encoder, KMeans(2, n_init=10, random_state=0))
print("k-means", clustering_summary(origin, kmeans.fit_predict(images)))

# %%
# `MFAVBClustering` uses the same features, from the folder.
clusterer = MFAVBClustering(2, encoder=encoder, random_state=0)
print("MFAVB", clustering_summary(origin, clusterer.fit_predict(images)))

# %%
# The fitted model contains the encoder: new images need nothing else.
print(clusterer.predict(photographs[0][100:132, 200:232][None]))
ClusterGalleryDisplay.from_estimator(clusterer, images)
plt.show()

# sphinx_gallery_thumbnail_path = "figures/pieces.png"
