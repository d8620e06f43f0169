"""Dependencies point one way: a room imports only from rooms below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_mfavb

PACKAGE = Path(sklearn_mfavb.__file__).parent

ALLOWED = {
    "views": set(),
    "losses": set(),
    "backbones": {"views"},
    "augmentation": {"views"},
    "images": set(),
    "files": set(),
    "training": {"files"},
    "heads": {"losses"},
    "metrics": set(),
    "model_selection": set(),
    "datasets": set(),
    "neighbors": set(),
    "readout": set(),
    "networks": {"backbones", "heads", "views"},
    "contrast": {"networks", "views"},
    "objectives": {"contrast", "losses"},
    "features": {"files", "images", "training"},
    "estimators": {
        "augmentation",
        "backbones",
        "contrast",
        "features",
        "heads",
        "images",
        "losses",
        "metrics",
        "neighbors",
        "networks",
        "objectives",
        "readout",
        "training",
        "views",
    },
    "inspection": {
        "augmentation",
        "estimators",
        "images",
        "training",
        "views",
    },
    "report": {"files", "images", "inspection"},
    "persistence": {
        "backbones",
        "estimators",
        "features",
        "files",
        "heads",
        "images",
        "networks",
        "readout",
        "training",
        "views",
    },
    "demo": {"datasets", "estimators", "files", "inspection", "metrics"},
    "command_line": {
        "__init__",
        "demo",
        "estimators",
        "features",
        "files",
        "images",
        "inspection",
        "persistence",
        "report",
        "training",
    },
    "__main__": {"command_line"},
    "__init__": {"estimators", "features", "model_selection", "persistence"},
}

# One method of the estimators calls what is above them.
ALLOWED_INSIDE_FUNCTIONS = {"estimators": {"persistence"}}

# Seconds to import, so only inside the functions that need them.
LAZY = {"timm", "open_clip", "torchvision", "matplotlib"}


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
    """Name the room of a source file: its folder, or itself at the top level."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.name)
)
def test_imports_point_downwards(path):
    """Every import of ours is listed for its room, and slow libraries are lazy."""
    room = room_of(path)
    assert room in ALLOWED, f"{room} has no place in the table of rooms"
    for module, is_top in imported_modules(ast.parse(path.read_text("utf-8"))):
        parts = module.split(".")
        if parts[0] == "sklearn_mfavb":
            upwards = set() if is_top else ALLOWED_INSIDE_FUNCTIONS.get(room, set())
            imported = parts[1] if len(parts) > 1 else "__init__"
            assert imported in {room} | ALLOWED[room] | upwards, module
        assert not (parts[0] in LAZY and is_top), f"{module} must be imported lazily"


def loaded_by(code):
    """Name the modules that a new process has after running some code."""
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_import_loads_nothing_slow():
    """All that the package offers leaves timm, open_clip, matplotlib and such alone."""
    assert not LAZY & loaded_by("from sklearn_mfavb import *")


def test_names_are_imported_when_they_are_used():
    """`import sklearn_mfavb` alone is quick: the command line begins with it."""
    assert "torch" not in loaded_by("import sklearn_mfavb; dir(sklearn_mfavb)")
    assert "torch" in loaded_by("import sklearn_mfavb; sklearn_mfavb.load")
