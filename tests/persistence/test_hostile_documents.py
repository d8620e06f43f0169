"""Documents that someone wrote with intent: refused, without running or filling."""

import json
import resource

import pytest
import torch

import sklearn_mfavb
from sklearn_mfavb.persistence import ModelFileError
from sklearn_mfavb.persistence._file import pack, unpack

pytestmark = pytest.mark.filterwarnings(
    "ignore:Only .* clusters hold images:sklearn.exceptions.ConvergenceWarning"
)


@pytest.fixture(scope="module")
def whole(make, images, tiny, tmp_path_factory):
    """Return the content of a file with all kinds of parts."""
    path = tmp_path_factory.mktemp("whole") / "model"
    make("MFAVBClustering", clip=tiny(), image_tokens=True).fit(images).save(path)
    return unpack(path)


@pytest.fixture(scope="module")
def tiny(tiny_weights):
    """Make a transformer with a tiny encoder, for all tests of this file."""

    def make():
        return sklearn_mfavb.CLIPFeatures("tiny-clip-of-the-tests", tiny_weights)

    return make


@pytest.fixture
def forge(whole, tmp_path):
    """Write a file with a right checksum and a document that was edited."""

    def write(edit=lambda document: None, record=lambda learned: None, tensors=None):
        document = json.loads(json.dumps(whole[0]))
        edit(document)
        learned = json.loads(bytes(whole[1]["record"].numpy()))
        record(learned)
        written = torch.tensor(list(json.dumps(learned).encode()), dtype=torch.uint8)
        content = {**whole[1], "record": written, **(tensors or {})}
        kept = {
            name: value.clone() for name, value in content.items() if value is not None
        }
        (tmp_path / "model").write_bytes(pack(document, kept))
        return tmp_path / "model"

    return write


def put(*path, value):
    """Return a function that puts a value deep into a document."""

    def edit(document):
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = value

    return edit


def take(*path):
    """Return a function that takes a value out of a document."""

    def edit(document):
        for name in path[:-1]:
            document = document[name]
        del document[path[-1]]

    return edit


ENCODER = "networks", "encoder"
ARCHITECTURE = *ENCODER, "architecture", "$Architecture"
VISION = *ARCHITECTURE, "config", "vision_cfg"
PREPROCESSING = *ENCODER, "preprocessing", "$Preprocessing"


def only_text(parameter):
    """Name a case by the error that it expects."""
    return parameter if isinstance(parameter, str) else ""


def test_an_honest_document_loads(forge):
    """The forgery itself is not what is refused."""
    assert sklearn_mfavb.load(forge()).n_clusters == 3


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (put("estimator", value="KMeans"), "holds a 'KMeans'"),
        (put("estimator", value="os.system"), "holds a 'os.system'"),
        (put("estimator", value=[]), "unhashable"),
        (take("networks"), "networks"),
        (put("parameters", value=[1]), "AttributeError"),
        (put("parameters", "n_clusters", value="many"), "n_clusters"),
        (put("parameters", "no_such", value=1), "no_such"),
        (put("parameters", "backbone", value={"$function": "os.system"}), "function"),
        (put("parameters", "backbone", value="hf-hub:some/model"), "hf-hub"),
        (put("parameters", "embed_dim", value=64), r"\(.*16.*saved, .*64.* built\)"),
        (put("parameters", "clip", "$CLIPFeatures", "batch_size", value=-1), "batch_s"),
        (put("parameters", "clip", "$CLIPFeatures", "cache_dir", value="~"), "cache_d"),
        (put("parameters", "checkpoint", value=".bashrc"), "says where to write"),
        (put("networks", "readout", value={"kind": "pickle"}), "describes no readout"),
        (
            put("networks", "readout", value={"kind": "head", "index": 0}),
            "readout.bias",
        ),
        (put("networks", "readout", value={"kind": "head", "index": 99}), "IndexError"),
        (put(*ENCODER, value=None), "NoneType"),
        (put(*ENCODER, "fingerprint", value="../../elsewhere"), "the encoder's descr"),
        (put(*ARCHITECTURE, "library", value="os"), "Architecture has a wrong library"),
        (put(*ARCHITECTURE, "config", value={}), "vision_cfg"),
        (put(*VISION, "timm_model_name", value="hf-hub:some/model"), "has no model"),
        (put(*PREPROCESSING, "size", value={"$tuple": [8]}), "has a wrong size"),
        (put("versions", value=None), "not that of a model"),
    ],
    ids=only_text,
)
def test_documents_that_lie(forge, edit, told):
    """What the document says is held against the classes, types and tensors."""
    with pytest.raises(ModelFileError, match=rf"model' was not loaded: it.*{told}"):
        sklearn_mfavb.load(forge(edit))


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (put("predict", value=1), "'predict' is no attribute"),
        (put("__class__", value="x"), "'__class__' is no attribute"),
        (put("net_", value=1), "'net_' is no attribute"),
        (put("n_iter_", value="two"), "'n_iter_' is no attribute, or of a wrong type"),
        (put("paths_", value=[1]), "'paths_' is no attribute, or of a wrong type"),
        (put("image_size_", value={"$tuple": [8, 0]}), "of 8 x 0 pixels"),
        (take("image_size_"), "image_size_"),
        (take("clip_extractor_"), "belong to nothing"),
    ],
    ids=only_text,
)
def test_records_that_lie(forge, edit, told):
    """What was learned has the names and types that the classes declare."""
    with pytest.raises(ModelFileError, match=rf"model' was not loaded: it.*{told}"):
        sklearn_mfavb.load(forge(record=edit))


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"learned.labels_": torch.zeros(3)}, "'labels_' .*wrong type"),
        ({"network.more": torch.zeros(3)}, r"more \(float32 \(3,\) saved, not built\)"),
        ({"network.pixel_mean": None}, r"pixel_mean \(not saved, float32"),
        ({"network.pixel_std": torch.ones(1, 1, 1, dtype=torch.float64)}, "float64"),
        ({"elsewhere": torch.zeros(3)}, "elsewhere belong to nothing"),
        ({"record": None}, "record"),
        ({"record": torch.tensor([91], dtype=torch.uint8)}, "JSONDecodeError"),
        (
            {"record": torch.tensor([91] * 100_000, dtype=torch.uint8)},
            "RecursionError",
        ),
    ],
    ids=only_text,
)
def test_tensors_that_fit_nothing(forge, tensors, told):
    """Names, shapes and types of all tensors are those of what is built."""
    with pytest.raises(ModelFileError, match=rf"model' was not loaded: it.*{told}"):
        sklearn_mfavb.load(forge(tensors=tensors))


HUGE = 10**9
LARGE = {"$tuple": [2**16, 2**16]}
FORMAT = "image_format_", "$ImageFormat"


FORGERIES = {
    "blocks": {"edit": put("parameters", "n_blocks", value=HUGE)},
    "width": {"edit": put("parameters", "embed_dim", value=2**20)},
    "clusters": {"edit": put("parameters", "n_clusters", value=HUGE)},
    "heads": {"edit": put("parameters", "n_cluster_heads", value=HUGE)},
    "model of timm": {
        "edit": put("parameters", "backbone", value="vit_giant_patch14_224")
    },
    "layers of the encoder": {"edit": put(*VISION, "layers", value=HUGE)},
    "width of the encoder": {"edit": put(*VISION, "width", value=2**16)},
    "positions of the encoder": {"edit": put(*VISION, "image_size", value=2**16)},
    "images of the encoder": {"edit": put(*PREPROCESSING, "size", value=LARGE)},
    "images": {"record": put("image_size_", value=LARGE)},
    "channels": {"record": put(*FORMAT, "image_shape", value={"$tuple": [8, 8, HUGE]})},
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_sizes_that_would_fill_the_memory(forge, forgery):
    """They are refused before the memory is used, whatever the document asks for."""
    path = forge(**FORGERIES[forgery])
    before = most_memory()
    with pytest.raises(ModelFileError, match="was not loaded"):
        sklearn_mfavb.load(path)
    assert most_memory() - before < 300e6


def most_memory():
    """Read how many bytes of memory this process has used at most."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
