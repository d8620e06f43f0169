"""
Clean a data set
================

Clusters find what does not belong into a data set: pictures of another kind, and
pictures with a wrong label.
"""

# %%
# 600 digits with their labels. Twenty labels are wrong, and ten pictures are noise.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import load_digit_images
from sklearn_mfavb.metrics import match_clusters

generator = np.random.default_rng(0)
images, digits = load_digit_images()
noise = generator.integers(0, 256, size=(10, 8, 8), dtype=np.uint8)
images = np.concatenate([images[:600], noise])
labels = np.append(digits[:600], generator.integers(0, 10, size=10))
wrong = generator.choice(600, size=20, replace=False)
labels[wrong] = (labels[wrong] + generator.integers(1, 10, size=20)) % 10
features = images.reshape(len(images), -1)

# %%
# ``outliers="auto"`` sets aside pictures that are unlike all others. ``score_samples``
# has the order: the lower, the stranger.
clusterer = MFAVBClustering(
    10, encoder="precomputed", outliers="auto", random_state=0
).fit(features)
strange = np.argsort(clusterer.score_samples(features))[:12]
n_outliers = np.sum(clusterer.labels_ == -1)
print(n_outliers, "outliers; of the 12 strangest", np.sum(strange >= 600), "are noise")
