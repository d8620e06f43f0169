"""Compare the names that clusters are given with the classes of their images.

    python -m benchmarks.names.check [DATASET] [--encoder NAME]
        [--encoder-weights TAG] [--data-dir DIR] [--seed N]

DATASET is a folder of class folders or an ``.npz`` file; without it, the 10,000 test
images of CIFAR-10, which torchvision downloads into DIR. Images are clustered without
labels, as many clusters as there are classes. Each cluster is named twice, by the nouns
of the package and by the names of the classes; the table shows both beside the class
of most of its images.
"""

import argparse
from pathlib import Path

import numpy as np

from sklearn_mfavb import CLIPFeatures, MFAVBClustering
from sklearn_mfavb.datasets import load_images
from sklearn_mfavb.metrics import clustering_accuracy


def load(path, data_dir):
    """Return images, the class of each, and the names of the classes."""
    if path is not None:
        data = load_images(path)
        return data.images, data.target, [str(name) for name in data.target_names]
    from torchvision.datasets import CIFAR10

    data = CIFAR10(data_dir, train=False, download=True)
    return data.data, np.array(data.targets), data.classes


def main():
    """Read the command line, cluster, name and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", nargs="?", type=Path)
    parser.add_argument("--encoder", default="ViT-B-32")
    parser.add_argument("--encoder-weights")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    images, target, classes = load(options.dataset, options.data_dir)
    encoder = CLIPFeatures(
        options.encoder,
        options.encoder_weights,
        cache_dir=options.data_dir / "features",
        verbose=1,
    )
    clusterer = MFAVBClustering(
        len(classes), encoder=encoder, random_state=options.seed, verbose=1
    ).fit(images)
    by_nouns = clusterer.name_clusters().cluster_names_
    by_classes = clusterer.name_clusters(classes).cluster_names_

    print("| cluster | images | most are | of them | by nouns | by names of classes |")
    print("| --- | --- | --- | --- | --- | --- |")
    right = []
    for cluster, names in enumerate(zip(by_nouns, by_classes, strict=True)):
        counts = np.bincount(
            target[clusterer.labels_ == cluster], minlength=len(classes)
        )
        most, size = classes[counts.argmax()], int(counts.sum())
        share = f"{counts.max() / max(size, 1):.0%}"
        print("|", " | ".join(map(str, (cluster, size, most, share, *names))), "|")
        right.append(names[1] == most)
    accuracy = clustering_accuracy(target, clusterer.labels_)
    print(f"\n{sum(right)} of {len(right)} names by classes are those of most images.")
    print(f"ACC of the clusters: {accuracy:.3f}; seed {options.seed}.")


if __name__ == "__main__":
    main()
