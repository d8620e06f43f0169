"""The table of the sets used in the literature."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from sklearn_mfavb.datasets._card import ImageDatasetCard
from sklearn_mfavb.datasets._classes import DIGITS, IMAGENET_10, IMAGENET_DOGS
from sklearn_mfavb.datasets._loaders import (
    load_arrays,
    load_cifar100_superclasses,
    load_digits,
    load_folder,
    load_stl10,
)

_IMAGENET_LAYOUT = (
    "The folder may be a link to ImageNet's folder of training images: only the "
    "synsets of this set are read."
)

_CARDS = (
    ImageDatasetCard(
        name="cifar10",
        title="CIFAR-10",
        n_images=60_000,
        n_classes=10,
        image_size=32,
        protocol="train + test; some papers use the 50,000 of train only",
        owner="Alex Krizhevsky's page at the University of Toronto",
        loader=partial(load_arrays, "CIFAR10"),
        downloadable=True,
    ),
    ImageDatasetCard(
        name="cifar100_20",
        title="CIFAR-100 by superclass",
        n_images=60_000,
        n_classes=20,
        image_size=32,
        protocol="train + test, labelled by the 20 superclasses",
        owner="Alex Krizhevsky's page at the University of Toronto",
        loader=load_cifar100_superclasses,
        downloadable=True,
    ),
    ImageDatasetCard(
        name="stl10",
        title="STL-10",
        n_images=13_000,
        n_classes=10,
        image_size=96,
        protocol="train + test; the 100,000 unlabelled images are left out",
        owner="Adam Coates's page at Stanford University",
        loader=load_stl10,
        downloadable=True,
    ),
    ImageDatasetCard(
        name="tiny_imagenet",
        title="Tiny-ImageNet",
        n_images=100_000,
        n_classes=200,
        image_size=64,
        protocol="train only",
        owner="the course CS231n at Stanford University",
        layout="The folder may be a link to the archive's folder train.",
        unverified=("owner", "layout"),
    ),
    ImageDatasetCard(
        name="imagenet10",
        title="ImageNet-10",
        n_images=13_000,
        n_classes=10,
        image_size=None,
        protocol="ILSVRC 2012 train, 10 of the 1,000 classes",
        owner="the ImageNet project (after registration)",
        layout=_IMAGENET_LAYOUT,
        class_folders=MappingProxyType(IMAGENET_10),
    ),
    ImageDatasetCard(
        name="imagenet_dogs",
        title="ImageNet-Dogs",
        n_images=19_500,
        n_classes=15,
        image_size=None,
        protocol="ILSVRC 2012 train, 15 breeds of the 1,000 classes",
        owner="the ImageNet project (after registration)",
        layout=_IMAGENET_LAYOUT,
        class_folders=MappingProxyType(IMAGENET_DOGS),
        unverified=("n_images",),
    ),
    ImageDatasetCard(
        name="dtd",
        title="Describable Textures (DTD)",
        n_images=5_640,
        n_classes=47,
        image_size=None,
        protocol="train + validation + test",
        owner="the Visual Geometry Group at the University of Oxford",
        layout="The folder may be a link to the archive's folder images.",
        loader=partial(load_folder, "DTD", "dtd/dtd/images"),
        downloadable=True,
    ),
    ImageDatasetCard(
        name="eurosat",
        title="EuroSAT (RGB)",
        n_images=27_000,
        n_classes=10,
        image_size=64,
        protocol="all images; the set has no splits",
        owner="Patrick Helber's project EuroSAT",
        loader=partial(load_folder, "EuroSAT", "eurosat/2750"),
        downloadable=True,
    ),
    ImageDatasetCard(
        name="uc_merced",
        title="UC-Merced Land Use",
        n_images=2_100,
        n_classes=21,
        image_size=256,
        protocol="all images, 100 a class",
        owner="Yi Yang and Shawn Newsam, University of California, Merced",
        layout="The folder may be a link to the archive's folder Images.",
        unverified=("layout",),
    ),
    ImageDatasetCard(
        name="rsod",
        title="RSOD",
        n_images=976,
        n_classes=4,
        image_size=None,
        protocol="all images, by the kind of object in them; classes differ in size",
        owner="the project RSOD-Dataset of Wuhan University",
        layout=(
            "Classes: aircraft, oiltank, overpass, playground. The boxes that come "
            "with the pictures are not used."
        ),
        unverified=("owner", "protocol", "layout"),
    ),
    ImageDatasetCard(
        name="siri_whu",
        title="SIRI-WHU",
        n_images=2_400,
        n_classes=12,
        image_size=200,
        protocol="all images, 200 a class",
        owner="the group RSIDEA of Wuhan University",
        unverified=("owner",),
    ),
    ImageDatasetCard(
        name="aid",
        title="AID",
        n_images=10_000,
        n_classes=30,
        image_size=600,
        protocol="all images",
        owner="Gui-Song Xia's group at Wuhan University",
        unverified=("owner",),
    ),
    ImageDatasetCard(
        name="d0",
        title="D0 (crop pests)",
        n_images=4_508,
        n_classes=40,
        image_size=200,
        protocol="all images",
        owner=(
            "the authors of 'Multi-level learning features for automatic "
            "classification of field crop pests' (Xie et al. 2018)"
        ),
        unverified=("owner", "protocol"),
    ),
    ImageDatasetCard(
        name="chaoyang",
        title="Chaoyang (colon slides)",
        n_images=6_160,
        n_classes=4,
        image_size=512,
        protocol="train + test",
        owner=(
            "the authors of 'Hard sample aware noise robust learning for "
            "histopathology image classification' (Zhu et al. 2021)"
        ),
        layout="Its lists in JSON name the class of each file.",
        unverified=("owner", "protocol", "layout"),
    ),
    ImageDatasetCard(
        name="fashion_mnist",
        title="Fashion-MNIST",
        n_images=70_000,
        n_classes=10,
        image_size=28,
        protocol="train + test",
        owner="Zalando Research",
        loader=partial(load_arrays, "FashionMNIST"),
        downloadable=True,
    ),
    ImageDatasetCard(
        name="mnist",
        title="MNIST",
        n_images=70_000,
        n_classes=10,
        image_size=28,
        protocol="train + test",
        owner="Yann LeCun's page",
        loader=partial(load_arrays, "MNIST", class_names=DIGITS),
        downloadable=True,
    ),
    ImageDatasetCard(
        name="usps",
        title="USPS",
        n_images=9_298,
        n_classes=10,
        image_size=16,
        protocol="train + test",
        owner="Chih-Jen Lin's collection of data for LIBSVM",
        loader=partial(load_arrays, "USPS", class_names=DIGITS),
        downloadable=True,
    ),
    ImageDatasetCard(
        name="digits",
        title="digits",
        n_images=1_797,
        n_classes=10,
        image_size=8,
        protocol="all images (the test split of a larger set)",
        owner="scikit-learn, which they come with",
        loader=load_digits,
        needs_data_dir=False,
    ),
)

DATASETS: Mapping[str, ImageDatasetCard] = MappingProxyType(
    {card.name: card for card in _CARDS}
)
"""The sets used in the literature, by the name that `load_images` takes."""
