"""Every public name is documented, and what the pages show works."""

import ast
import builtins
import importlib
import inspect
import json
import pkgutil
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator

import sklearn_mfavb

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = {"generated", "auto_examples"}
RUNNABLE = sorted(
    page
    for page in DOCS.rglob("*.md")
    if GENERATED.isdisjoint(page.relative_to(DOCS).parts)
)
PAGES = [*RUNNABLE, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
# What readers have at hand where a page does not make it.
BROUGHT_ALONG = {"images", "new_images", "features"}
CODE = re.compile(
    r"(?P<not_run><!-- not run: .+ -->\n+)?^```(?P<language>\w+)\n(?P<text>.*?)^```",
    re.DOTALL | re.MULTILINE,
)


def public_modules():
    names = [
        info.name
        for info in pkgutil.walk_packages(sklearn_mfavb.__path__, "sklearn_mfavb.")
        if "._" not in info.name and not info.name.endswith("__main__")
    ]
    return [importlib.import_module(name) for name in names]


PUBLIC = {
    f"{item.__module__}.{item.__qualname__}": item
    for module in public_modules()
    for name, item in vars(module).items()
    if getattr(item, "__module__", "").startswith("sklearn_mfavb")
    and (inspect.isfunction(item) or inspect.isclass(item))
    and not name.startswith("_")
}


# Here users call functions themselves; elsewhere a line may be enough.
FOR_USERS = {"augmentation", "datasets", "inspection", "losses", "metrics", "report"}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_names_document_their_parameters(name):
    item, room = PUBLIC[name], name.split(".")[1]
    documentation = inspect.getdoc(item) or ""
    assert documentation, f"{name} has no docstring"
    is_listed = "\nParameters\n" in documentation
    if not (is_listed or room in FOR_USERS) or inspect.isabstract(item):
        return
    if inspect.isclass(item) and "__init__" not in vars(item):
        return
    for parameter in inspect.signature(item).parameters.values():
        is_rest = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        assert is_rest or parameter.name in documentation, parameter.name


ESTIMATORS = [
    item
    for item in (getattr(sklearn_mfavb, name) for name in sklearn_mfavb.__all__)
    if inspect.isclass(item) and issubclass(item, BaseEstimator)
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda item: item.__name__)
def test_estimators_have_every_section_and_the_defaults_they_state(estimator):
    """Sections are scikit-learn's; parameters are in order, with their real default."""
    documentation = inspect.getdoc(estimator)
    position = documentation.index("\nParameters\n")
    for parameter in inspect.signature(estimator).parameters.values():
        position = documentation.find(f"\n{parameter.name} : ", position)
        assert position > 0, f"{parameter.name} is missing or out of order"
        first_line = documentation[position:].split("\n")[1]
        default = parameter.default
        shown = f'"{default}"' if isinstance(default, str) else str(default)
        assert first_line.endswith(f"default={shown}"), first_line
    if not hasattr(estimator, "fit"):
        return  # a group of parameters
    for section in ("Attributes", "See Also", "Notes", "References", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in documentation, section


class Block(NamedTuple):
    text: str
    is_run: bool


def read_blocks(page, language="python"):
    """List the code of one language on a page.

    A block that needs more than there is here (weights, a GPU, hours) has a comment
    above it, ``<!-- not run: why -->``, which readers do not see.
    """
    return [
        Block(found["text"], is_run=not found["not_run"])
        for found in CODE.finditer(page.read_text("utf-8"))
        if found["language"] == language
    ]


def by_name(pages):
    names = [page.relative_to(ROOT).as_posix() for page in pages]
    return pytest.mark.parametrize("page", pages, ids=names)


@by_name([page for page in PAGES if read_blocks(page)])
def test_code_of_pages_uses_what_exists(page):
    """Imports can be made, names come from the page, and calls pass known keywords."""
    tree = ast.parse("\n".join(block.text for block in read_blocks(page)))
    imports = [
        node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    imported = {}
    exec(compile(ast.Module(imports, []), page, "exec"), imported)
    defined = {*imported, *vars(builtins), *BROUGHT_ALONG, *names_defined_in(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            assert node.id in defined, f"{node.id} comes from nowhere"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            keywords = {item.arg: None for item in node.keywords if item.arg}
            if keywords and node.func.id in imported:
                inspect.signature(imported[node.func.id]).bind_partial(**keywords)


def names_defined_in(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


@pytest.fixture
def folder_of_a_reader(tmp_path, monkeypatch):
    """Work in a folder with photographs, where training without a number is short."""
    generator = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(12):
        pixels = generator.integers(0, 256, size=(8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    runtime = "sklearn_mfavb.training._runtime"
    monkeypatch.setattr(f"{runtime}._EPOCHS", 2)
    monkeypatch.setattr(f"{runtime}._LEAST_EPOCHS", 2)
    monkeypatch.setattr(f"{runtime}._STEPS_WITH_FEATURES", {True: 2, False: 2})


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@by_name([p for p in RUNNABLE if any(block.is_run for block in read_blocks(p))])
def test_pages_run_from_top_to_bottom(page, folder_of_a_reader):
    namespace = {"__name__": page.stem}
    for number, block in enumerate(read_blocks(page)):
        if block.is_run:
            exec(compile(block.text, f"{page.name}, block {number}", "exec"), namespace)


NOTEBOOK = ROOT / "examples" / "notebooks" / "photographs.ipynb"


def read_cells(tag=None):
    """List the code of the notebook, of all cells or of those with a tag."""
    return [
        "".join(cell["source"])
        for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
        if cell["cell_type"] == "code"
        and (tag is None or tag in cell["metadata"].get("tags", ()))
    ]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_notebook_runs_with_small_settings(
    folder_of_a_reader, tiny_weights, monkeypatch, tmp_path
):
    """All cells run but the installation; only the settings are other ones."""
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    (install,), (settings,) = read_cells("install"), read_cells("settings")
    names = {
        node.id for node in ast.walk(ast.parse(settings)) if type(node) is ast.Name
    }
    namespace = {
        "FOLDER": "photos",
        "MODEL": "tiny-clip-of-the-tests",
        "WEIGHTS": tiny_weights,
        "N_CLUSTERS": 2,
    }
    assert names == set(namespace)
    for number, text in enumerate(read_cells()):
        if text not in (install, settings):
            exec(compile(text, f"cell {number}", "exec"), namespace)
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "photographs.mfavb").exists()
    assert (tmp_path / "clusters.csv").read_text("utf-8").count("\n") == 13


def test_notebook_holds_no_outputs():
    """Outputs of a run would be stale, and may show what nobody wanted to share."""
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert not any(cell.get("outputs") for cell in cells)


@by_name([page for page in PAGES if read_blocks(page, "sh")])
def test_commands_of_pages_name_programs_and_options_that_exist(page):
    for block in read_blocks(page, "sh"):
        for line in block.text.splitlines():
            words = shlex.split(line, comments=True)
            for module in (word for word in words if word.startswith("benchmarks.")):
                program = module.replace(".", "/") + ".py"
                source = (ROOT / program).read_text("utf-8")
                for option in (word for word in words if word.startswith("--")):
                    assert f'"{option}"' in source, f"{program} has no {option}"


def test_reference_lists_what_is_public():
    listed = re.findall(
        r"^   ~?(sklearn_mfavb\.\w+)$", (DOCS / "api.rst").read_text("utf-8"), re.M
    )
    modules = [
        module.__name__
        for module in public_modules()
        if not set(getattr(module, "__all__", [""])) <= set(sklearn_mfavb.__all__)
    ]
    names = [f"sklearn_mfavb.{name}" for name in sklearn_mfavb.__all__]
    assert sorted(listed) == sorted(modules + names)
