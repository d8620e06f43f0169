"""Documents that someone wrote with intent: refused, without running or filling."""

import json
import resource
from functools import reduce

import pytest
import torch
from sklearn.cluster import KMeans

import sklearn_mfavb
from sklearn_mfavb.persistence import ModelFileError
from sklearn_mfavb.persistence._file import pack, unpack

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


@pytest.fixture(scope="module")
def whole(make, images, tiny_weights, tmp_path_factory):
    """Return the content of a file with all kinds of parts."""
    path = tmp_path_factory.mktemp("whole") / "model"
    encoder = sklearn_mfavb.CLIPFeatures("tiny-clip-of-the-tests", tiny_weights)
    fitted = make(
        "MFAVBClustering",
        encoder=encoder,
        use_pixels=True,
        assignment=KMeans(3, n_init=1),
        training=sklearn_mfavb.Training(),
    )
    fitted.fit(images).save(path)
    with open(path, "rb") as file:
        return unpack(file)


@pytest.fixture
def forge(whole, tmp_path):
    """Write a file with right checksums, and a document or tensors that were edited."""

    def write(edit=lambda document: None, tensors=None):
        document = json.loads(whole[0])
        edit(document)
        content = {**whole[1], **(tensors or {})}
        kept = {k: value.clone() for k, value in content.items() if value is not None}
        with open(tmp_path / "model", "wb") as file:
            pack(file, document, kept)
        return tmp_path / "model"

    return write


def put(*path, value):
    """Return a function that puts a value deep into a document."""

    def edit(document):
        inner = reduce(lambda each, name: each[name], path[:-1], document)
        inner[path[-1]] = value

    return edit


def take(*path):
    """Return a function that takes a value out of a document."""
    return lambda document: reduce(
        lambda each, name: each[name], path[:-1], document
    ).pop(path[-1])


def only_text(parameter):
    """Name a case by the error that it expects."""
    return parameter if isinstance(parameter, str) else ""


MODEL = ("model",)
ENCODER = *MODEL, "encoders", 0
TRANSFORMER = *ENCODER, "transformer", "$object", 1
ARCHITECTURE = *ENCODER, "state", "architecture"
VISION = *ARCHITECTURE, "vision_cfg"
PREPROCESSING = *ENCODER, "state", "preprocessing"
ASSIGNER = *MODEL, "assigner"
FORMAT = *MODEL, "image_format"


def param(*path, value):
    """Return a function that puts a parameter into a document."""
    return put("params", *path, value=value)


def learned(name, value):
    """Return a function that puts a learned value into a document."""
    return put("learned", name, value=value)


def test_an_honest_document_loads(forge):
    """The forgery itself is not what is refused."""
    assert sklearn_mfavb.load(forge()).n_clusters == 3


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (put("class", value="os.system"), "holds a 'os.system'.*Import or define"),
        (put("class", value="BaseImageClusterer"), "not one of Anchor"),
        (put("class", value=[]), "unhashable"),
        (take("model"), "model"),
        (put("params", value=[1]), "AttributeError"),
        (param("n_clusters", value="many"), "n_clusters"),
        (param("no_such", value=1), "no_such"),
        (param("backbone", value={"$function": "os.system"}), "function"),
        (param("backbone", value={"$object": ["os.system", {}]}), "os.system"),
        (param("backbone", value="hf-hub:some/model"), "hf-hub"),
        (param("backbone", "$object", 1, "embed_dim", value=64), "size mismatch"),
        (param("image_size", value={"$tuple": 3}), "iterable"),
        (param("reading", value={"$object": ["Training", {}]}), "'reading' parameter"),
        (param("encoder", "$object", 1, "batch_size", value=-1), "batch_size"),
        (put(*TRANSFORMER, "cache_dir", value=None), "cache_dir says where"),
        (param("training", "$object", 1, "checkpoint", value=".bashrc"), "says where"),
        (param("checkpoint", value=".bashrc"), "checkpoint says where to write"),
        (param("assignment", value="head"), "Cannot clone"),
        (param("assignment", "$object", 1, "n_clusters", value=5), "cluster_centers_"),
        (put(*ASSIGNER, value={"kind": "pickle"}), "Missing key"),
        (put(*ASSIGNER, value={"kind": "CenterHead"}), "Missing key"),
        (put(*ASSIGNER, "fitted", "cluster_centers_", value=1), "TypeError"),
        (put(*ENCODER, value=None), "NoneType"),
        (put(*ENCODER, "transformer", value=None), "belong to nothing"),
        (put(*ENCODER, "transformer", value={"$object": ["ViT", {}]}), "device"),
        (put(*MODEL, "encoders", value=[]), "Unexpected key|belong to nothing"),
        (put(*ENCODER, "state", "fingerprint", value="../elsewhere"), "not describe"),
        (put(*ARCHITECTURE, "library", value="os"), "KeyError: 'os'"),
        (take(*VISION), "vision_cfg"),
        (put(*VISION, "timm_model_name", value="hf-hub:some/model"), "has no model"),
        (put(*PREPROCESSING, "input_size", value=[3, 8]), "size"),
        (put(*PREPROCESSING, "interpolation", value="magic"), "KeyError: 'magic'"),
        (put(*MODEL, "image_size", value=[8, 0]), "is not a size of images"),
        (put(*MODEL, "image_size", value=[8.0, 8]), "is not a size of images"),
        (put(*MODEL, "image_size", value=None), "size mismatch|Unexpected key"),
        (put(*FORMAT, value=None), "with 0 channels is not a size"),
        (put(*FORMAT, "image_shape", value=3), "TypeError"),
        (put(*FORMAT, "image_shape", value=[8, 8, -1]), "is not a size of images"),
        (learned("predict", 1), "'predict' is not an attribute"),
        (learned("__class__", "x"), "'__class__' is not an attribute"),
        (learned("history_", "two"), "'history_' is not an attribute, or has a"),
        (learned("skipped_", [1]), "'skipped_' is not an attribute, or has a"),
        (learned("skipped_", {"$dict": [[40, "gone"]]}), "'skipped_' does not give"),
        (learned("skipped_", {"$dict": [[-1, "gone"]]}), "'skipped_' does not give"),
        (learned("skipped_", {"0": "gone"}), "'skipped_' does not give"),
        (learned("skipped_", {"$dict": [[0, 1]]}), "'skipped_' does not give"),
        (learned("cluster_names_", ["dog"]), "a name and a row"),
        (learned("cluster_names_", [1, 2, 3]), "a name and a row"),
        (take("learned", "labels_"), "labels_"),
    ],
    ids=only_text,
)
def test_documents_that_lie(forge, edit, told):
    """What the document says is held against the classes, types and tensors."""
    told = rf"(?s)model' was not loaded: it.*({told})"
    with pytest.raises(ModelFileError, match=told):
        sklearn_mfavb.load(forge(edit))


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"learned.labels_": None}, "learned.labels_"),
        ({"learned.labels_": torch.full((40,), 3)}, "not numbers of clusters"),
        ({"learned.labels_": torch.full((40,), -2)}, "not numbers of clusters"),
        ({"learned.labels_": torch.zeros(40)}, "not numbers of clusters"),
        ({"learned.labels_": torch.zeros(40, 1).long()}, "not numbers of clusters"),
        ({"learned.probabilities_": torch.zeros(40, 4)}, "a column for each cluster"),
        ({"learned.cluster_features_": torch.zeros(3, 5)}, "a name and a row"),
        ({"network.more": torch.zeros(3)}, 'Unexpected key.* "more"'),
        ({"network.pixel_mean": None}, "Missing key.*pixel_mean"),
        ({"network.cluster_heads.chosen": torch.tensor(9)}, "index must be"),
        ({"encoders.0.tower.proj": None}, "Missing key.*tower.proj"),
        ({"model.encoders.0.mean": torch.zeros(3)}, "another length"),
        ({"model.encoders.0.mean": torch.zeros(12).byte()}, "not a row of float32"),
        (
            {"model.assigner.fitted.cluster_centers_": torch.zeros(3, 15)},
            "another type or shape",
        ),
        (
            {"model.assigner.fitted.cluster_centers_": torch.zeros(3, 16).double()},
            "another type or shape",
        ),
        ({"elsewhere": torch.zeros(3)}, "elsewhere belong to nothing"),
    ],
    ids=only_text,
)
def test_tensors_that_fit_nothing(forge, tensors, told):
    """Names, shapes and types of all tensors are those of what is built."""
    with pytest.raises(ModelFileError, match=rf"(?s)model' was not loaded: it.*{told}"):
        sklearn_mfavb.load(forge(tensors=tensors))


HUGE = 10**9
FORGERIES = {
    "blocks": param("n_blocks", value=HUGE),
    "width": param("backbone", "$object", 1, "embed_dim", value=2**20),
    "clusters": learned("n_clusters_", HUGE),
    "heads": param(
        "objective", value={"$object": ["ContrastiveTerms", {"n_cluster_heads": HUGE}]}
    ),
    "model of timm": param("backbone", value="vit_giant_patch14_224"),
    "layers of the encoder": put(*VISION, "layers", value=HUGE),
    "width of the encoder": put(*VISION, "width", value=2**16),
    "positions of the encoder": put(*VISION, "image_size", value=2**16),
    "images of the encoder": put(*PREPROCESSING, "input_size", value=[3, 2**16, 2**16]),
    "crops of the encoder": put(*PREPROCESSING, "crop_pct", value=1e-9),
    "images": put(*MODEL, "image_size", value=[2**16, 2**16]),
    "channels": put(*FORMAT, "image_shape", value=[8, 8, HUGE]),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_sizes_that_would_fill_the_memory(forge, forgery):
    """They are refused before the memory is used, whatever the document asks for."""
    path = forge(FORGERIES[forgery])
    before = most_memory()
    with pytest.raises(ModelFileError, match="was not loaded"):
        sklearn_mfavb.load(path)
    assert most_memory() - before < 300e6


def most_memory():
    """Read how many bytes of memory this process has used at most."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
