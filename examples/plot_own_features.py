"""
Features of your own
====================

Features may come from any network or program. You can cluster them without the images,
with the images, or through a transformer that computes them.
"""

# %%
# Here the features are sums of gradients by direction, in each part of a digit. Yours
# may come from DINOv2, or from a network for X-ray pictures.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import FunctionTransformer

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import load_digit_images
from sklearn_mfavb.inspection import ClusterGalleryDisplay
from sklearn_mfavb.metrics import clustering_summary


def gradients(images):
    """Sum gradients by eight directions, in each of four by four parts."""
    down, right = np.gradient(images.astype(float), axis=(1, 2))
    angle = np.arctan2(down, right)
    sector = np.floor((angle + np.pi) / (2 * np.pi) * 8).astype(int) % 8
    strength = np.hypot(down, right)
    parts = [
        (strength * (sector == s)).reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4))
        for s in range(8)
    ]
    return np.stack(parts, axis=-1).reshape(len(images), -1)


images, digits = load_digit_images()
images, digits = images[:1000], digits[:1000]
features = gradients(images)  # (1000, 128)

# %%
# Without images, the features are ``X``.
clusterer = MFAVBClustering(10, encoder="precomputed", random_state=0)
labels = clusterer.fit_predict(features)
print(clustering_summary(digits, labels))
print(clusterer.predict(gradients(images[:5])))

# %%
# With images, the labels are the same, and the images can be shown.
clusterer.fit(images, features=features)
ClusterGalleryDisplay.from_estimator(clusterer, images, features=features)
plt.show()

# %%
# As an encoder, the function is applied to new images too. It may be any transformer of
# scikit-learn from images to rows.
clusterer = MFAVBClustering(
    10, encoder=FunctionTransformer(gradients), random_state=0
).fit(images)
print(clusterer.predict(images[:5]))
