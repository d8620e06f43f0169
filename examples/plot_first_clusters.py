"""
First clusters
==============

Cluster pictures without labels, and look at the most typical members of every cluster.
"""

# %%
# These are small pictures of four kinds of shapes, at random places and in random
# sizes. The kinds are used for scoring only.
import matplotlib.pyplot as plt

from sklearn_mfavb import MFAVBClustering
from sklearn_mfavb.datasets import make_shape_images
from sklearn_mfavb.inspection import ClusterGalleryDisplay
from sklearn_mfavb.metrics import clustering_summary

images, kinds = make_shape_images(400, n_clusters=4, image_size=8, random_state=0)

# %%
# By default, gray pictures get the augmentation for characters, and an image should
# agree with its nearest neighbors.
clusterer = MFAVBClustering(n_clusters=4, max_epochs=20, random_state=0)
labels = clusterer.fit_predict(images)
print(clustering_summary(kinds, labels))

# %%
# Each cluster is one row: on the left its most probable members, on the right those of
# which the model is least certain.
ClusterGalleryDisplay.from_estimator(clusterer, images)
plt.show()
