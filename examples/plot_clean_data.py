"""
Clean a data set
================

Clusters help to find what does not belong in a data set: pictures of another kind, and
pictures with a wrong label.
"""

# %%
# 600 digits with their labels. Twenty labels are wrong, and ten pictures are noise.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import load_digit_images

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
# says how normal each picture is.
clusterer = MFAVBClustering(
    10, encoder="precomputed", outliers="auto", random_state=0
).fit(features)
least_normal = np.argsort(clusterer.score_samples(features))[:12]
n_outliers = np.sum(clusterer.labels_ == -1)
n_noise = np.sum(least_normal >= 600)
print(n_outliers, "outliers;", n_noise, "of the 12 least normal pictures are noise")

# %%
# A label is suspicious where it is not the most frequent one of its cluster, although
# the model is certain of the cluster. The clustering does not use the labels.
probability = clusterer.predict_proba(features).max(axis=1)
usual = np.array(
    [np.bincount(labels[clusterer.labels_ == k]).argmax() for k in range(10)]
)
is_normal = clusterer.labels_ >= 0
suspects = np.flatnonzero(
    is_normal & (labels != usual[clusterer.labels_]) & (probability > 0.99)
)
n_found = np.isin(suspects, wrong).sum()
print(f"{len(suspects)} suspects, among them {n_found} of the 20 wrong labels")

# %%
# People must decide about each suspect, because its label may be right and its drawing
# bad. Above each picture is its label, and the usual label of its cluster.
figure, axes = plt.subplots(2, 8, figsize=(9, 3), layout="constrained")
for axis in axes.flat:
    axis.axis("off")
for axis, row in zip(axes.flat, suspects, strict=False):
    axis.imshow(images[row], cmap="gray")
    axis.set_title(f"{labels[row]} or {usual[clusterer.labels_[row]]}?")
plt.show()
