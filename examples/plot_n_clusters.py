"""
How many clusters?
==================

There are two ways to find a number of clusters without labels: look at the features
before training, or compare the scores of trained estimators.
"""

# %%
# These are the first 600 digits that come with scikit-learn. They have ten classes,
# which the methods do not see. Rows of pixels take the place of an encoder's features.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mfavb import MFAVBClustering, NClustersSelector
from sklearn_mfavb.datasets import load_digit_images

images, _ = load_digit_images()
images = images[:600]
features = images.reshape(len(images), -1)

# %%
# `NClustersSelector` merges clusters until every two are separate in the graph of
# nearest neighbors, with few neighbors and with many. ``n_clusters="auto"`` of an
# estimator does the same.
selector = NClustersSelector(max_clusters=20, random_state=0).fit(features)
print("estimates", selector.estimates_, "choice", selector.n_clusters_)

names = ["10 neighbors", "40 neighbors"]
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(selector.n_clusters_values_, selector.scores_, label=names)
axes.axvline(selector.n_clusters_, color="gray", linestyle=":")
axes.set(title="before training", xlabel="clusters", ylabel="lowest separation")
axes.legend()
plt.show()

# %%
# ``score`` measures how much neighbors agree in their cluster, beyond chance. Look at
# the whole curve: where it is flat, the images do not say which number is right. Few
# epochs keep this example short.
numbers = [4, 7, 10, 13]
scores = [
    MFAVBClustering(n, encoder="precomputed", max_epochs=20, random_state=0)
    .fit(features)
    .score(features)
    for n in numbers
]
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(numbers, scores, "o-")
axes.set(title="after training", xlabel="clusters", ylabel="agreement of neighbors")
print("best score with", numbers[int(np.argmax(scores))], "clusters")
plt.show()

# %%
# Both numbers are only hints. If people will look at the clusters, ask for more than
# either says, and merge some: it is easier to join two clusters than to divide one.
