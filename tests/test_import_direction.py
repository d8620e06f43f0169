"""Dependencies point one way: a room imports only from rooms below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_mfavb

PACKAGE = Path(sklearn_mfavb.__file__).parent

# From the lowest room to the highest: what each imports stands above it.
ALLOWED = {
    "naming": "",
    "decisions": "naming",
    "devices": "",
    "distributed": "",
    "files": "",
    "folders": "",
    "losses": "",
    "metrics": "",
    "model_selection": "metrics",
    "parallel": "distributed",
    "parameters": "",
    "views": "",
    "warn": "",
    "neighbors": "warn",
    "words": "naming",
    "augmentation": "devices views",
    "backbones": "parameters views",
    "heads": "losses",
    "images": "devices folders parameters warn",
    "datasets": "images",
    "outliers": "neighbors",
    "networks": "backbones heads views",
    "assignment": "heads losses metrics model_selection neighbors",
    "pairs": "networks views",
    "objectives": "distributed losses pairs parameters",
    "training": "distributed files parallel parameters views warn",
    "features": "files images metrics neighbors parallel parameters training",
    "positives": "images neighbors networks parameters training views",
    "estimators": "assignment augmentation backbones distributed features heads images "
    "losses metrics model_selection naming neighbors networks objectives outliers "
    "pairs parallel parameters positives training views warn words",
    "baseline": "backbones estimators images networks training views",
    "__init__": "",  # its names are imported when they are used
    "persistence": "__init__ assignment backbones estimators features files heads "
    "images networks outliers parameters training views warn",
    "inspection": "estimators images neighbors views",
    "report": "decisions estimators files images inspection naming neighbors "
    "persistence",
    "demo": "datasets estimators files inspection metrics",
    "command_line": "__init__ decisions demo estimators files folders images "
    "inspection naming persistence report training words",
    "__main__": "command_line",
}

# One method of the estimators, `save`, calls what is above them.
ALLOWED_INSIDE_FUNCTIONS = {"estimators": {"persistence"}}

# Seconds to import, so only inside the functions that need them.
LAZY = {"timm", "open_clip", "torchvision", "matplotlib", "faiss"}


def imported_modules(tree):
    """List (module, is at the top level) of every import statement."""
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.module, id(node) in top
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top


def room_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports_of(room):
    """Return the rooms that a room imports: anywhere, and inside functions only."""
    anywhere, at_top = set(), set()
    for path in PACKAGE.rglob("*.py"):
        if room_of(path) != room:
            continue
        for module, is_top in imported_modules(ast.parse(path.read_text("utf-8"))):
            parts = module.split(".")
            assert not (parts[0] in LAZY and is_top), f"{module} at the top of {path}"
            if parts[0] == PACKAGE.name:
                imported = parts[1] if len(parts) > 1 else "__init__"
                anywhere.add(imported)
                at_top |= {imported} if is_top else set()
    # The package itself names what it offers by `TYPE_CHECKING` and import_module.
    return (set(), set()) if room == "__init__" else (anywhere, anywhere - at_top)


def test_every_room_has_its_place():
    assert {room_of(path) for path in PACKAGE.rglob("*.py")} == ALLOWED.keys()


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_point_downwards(room):
    """A room imports what the table says, neither more nor less, from rooms below."""
    allowed, rooms = set(ALLOWED[room].split()), list(ALLOWED)
    assert all(rooms.index(other) < rooms.index(room) for other in allowed)
    anywhere, inside = imports_of(room)
    upwards = ALLOWED_INSIDE_FUNCTIONS.get(room, set())
    assert anywhere - {room} - upwards == allowed
    assert upwards <= inside


def loaded_by(code):
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_import_loads_nothing_slow():
    assert not LAZY & loaded_by("from sklearn_mfavb import *")


def test_training_does_not_import_the_compiler_of_torch():
    """It takes a second, and torch's own optimizers import it."""
    fit = "import numpy as np; from sklearn_mfavb import MFAVBClustering as M; "
    fit += "M(2, encoder='precomputed', max_epochs=1).fit(np.random.rand(40, 4))"
    assert "torch._dynamo" not in loaded_by(fit)


def test_names_are_imported_when_they_are_used():
    """`import sklearn_mfavb` alone is quick: the command line begins with it."""
    assert "torch" not in loaded_by("import sklearn_mfavb; dir(sklearn_mfavb)")
    assert "torch" in loaded_by("import sklearn_mfavb; sklearn_mfavb.load")
