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
    "training": set(),
    "heads": {"losses"},
    "metrics": set(),
    "datasets": set(),
    "neighbors": set(),
    "pictures": set(),
    "readout": set(),
    "networks": {"backbones", "heads", "views"},
    "contrast": {"networks", "views"},
    "objectives": {"contrast", "losses"},
    "features": {"images", "training"},
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
    "demo": {"datasets", "estimators", "metrics", "pictures"},
    "__main__": {"demo"},
    "__init__": {"estimators", "features"},
}

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
            assert parts[1] == room or parts[1] in ALLOWED[room], module
        assert not (parts[0] in LAZY and is_top), f"{module} must be imported lazily"


def test_import_loads_nothing_slow():
    """`import sklearn_mfavb` leaves timm, open_clip, torchvision, matplotlib alone."""
    code = f"import sys, sklearn_mfavb; print({LAZY!r} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
