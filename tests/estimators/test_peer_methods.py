"""What is particular to the methods that the literature lists beside ours."""

from sklearn_mfavb import CRLCClustering
from sklearn_mfavb.assignment import choose_head
from sklearn_mfavb.losses import ProbabilityContrastiveLoss, entropy_of_mean
from sklearn_mfavb.training import resolve_device


def test_crlc_labels_by_the_head_of_its_lowest_loss(make, images):
    clusterer = make(CRLCClustering, n_cluster_heads=4, positives="augmentation")
    clusterer.fit(images)
    heads = clusterer.model_.network.cluster_heads
    contrast = ProbabilityContrastiveLoss()

    def loss(assignment, of_positives):
        [positives] = of_positives
        entropy = entropy_of_mean(assignment)
        return contrast(assignment, positives) - clusterer.entropy_weight * entropy

    rows, cpu = clusterer.transform(images), resolve_device("cpu")
    best = choose_head(heads, rows, None, loss=loss, device=cpu)
    assert clusterer.model_.assigner is heads[best]
