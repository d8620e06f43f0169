"""What clusters are called where nothing named them."""

from sklearn_mfavb.naming import cluster_names


def test_names_of_an_estimator_without_names_are_numbers():
    class Fitted:
        n_clusters_ = 2

    assert cluster_names(Fitted()) == ["cluster 0", "cluster 1"]
