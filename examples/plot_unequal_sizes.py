"""
Clusters of unequal sizes
=========================

Contrastive clustering prefers clusters of one size. Where one kind of image is rare,
that splits a large cluster and hides the small one. ``balance="auto"``, the default,
looks at the data.
"""

# %%
# There are three digits, and one of them is ten times as frequent as another. Rows of
# pixels take the place of an encoder's features.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import load_digit_images
from sklearn_mfavb.metrics import clustering_summary

images, digits = load_digit_images()
sizes = {0: 170, 1: 60, 6: 17}
rows = np.concatenate([np.flatnonzero(digits == d)[:n] for d, n in sizes.items()])
features, digits = images[rows].reshape(len(rows), -1), digits[rows]

# %%
# ``balance=1`` asks for clusters of equal size, ``balance="auto"`` decides.
found = {}
for balance in (1.0, "auto"):
    clusterer = MFAVBClustering(
        3, encoder="precomputed", balance=balance, random_state=0
    )
    labels = clusterer.fit_predict(features)
    found[balance] = np.sort(np.bincount(labels, minlength=3))[::-1]
    print(balance, found[balance], clustering_summary(digits, labels))

# %%
# Compare the sizes of the clusters with the true ones.
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
bars = {
    "true": list(sizes.values()),
    "balance=1": found[1.0],
    'balance="auto"': found["auto"],
}
for number, (name, counts) in enumerate(bars.items()):
    axes.bar(np.arange(3) + 0.27 * (number - 1), counts, width=0.25, label=name)
axes.set(xticks=range(3), xticklabels=["largest", "middle", "smallest"])
axes.set_ylabel("images")
axes.legend()
plt.show()

# %%
# This is one small set, and it does not always work. A class that has most of the
# images is often split all the same: see :doc:`/how_to/unequal_sizes`.
