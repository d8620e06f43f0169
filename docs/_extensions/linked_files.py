"""Links between Markdown files, as they are in the repository, made links of pages.

Some pages are made of files outside `docs`, by an include. A link to such a file leads
to the page, and links inside it start from where the page is. Where a link shows the
name of a file, the page shows a title.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

_ROOT = Path(__file__).resolve().parents[2]
_DOCS = _ROOT / "docs"
_PAGES = {
    _ROOT / "README.md": _DOCS / "index.md",
    _ROOT / "CHANGELOG.md": _DOCS / "whats_new.md",
    _ROOT / "CONTRIBUTING.md": _DOCS / "contributing.md",
    _ROOT / "benchmarks" / "README.md": _DOCS / "benchmarks.md",
    _ROOT / "benchmarks" / "results" / "accuracy.md": _DOCS / "accuracy_tables.md",
    _ROOT / "benchmarks" / "results" / "speed.md": _DOCS / "speed.md",
}
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<path>[\w./-]+\.(?:csv|md|png))")


def rewrite(text: str, file: Path) -> str:
    """Let the links of a Markdown file start from the folder `docs`."""

    def lead(link: re.Match[str]) -> str:
        target = (file.parent / link["path"]).resolve()
        page = _PAGES.get(target, target)
        shown = _title(page) if link["text"].endswith(".md") else link["text"]
        # Pictures of the benchmarks lie outside; Sphinx copies them from there.
        return f"[{shown}](/{Path(os.path.relpath(page, _DOCS)).as_posix()}"

    # A mean and its deviation stay on one line of a narrow column.
    return _LINK.sub(lead, text).replace(" ± ", "\u00a0±\u00a0")


def _title(page: Path) -> str:
    """Read the first heading of a page."""
    lines = page.read_text("utf-8").splitlines()
    return next(line[2:] for line in lines if line.startswith("# "))


def on_source(app: Sphinx, docname: str, content: list[str]) -> None:
    """Rewrite the links of a page."""
    file = Path(app.env.doc2path(docname))
    if file.suffix == ".md":
        content[0] = rewrite(content[0], file)


def on_include(app: Sphinx, path: Path, docname: str, content: list[str]) -> None:
    """Rewrite the links of an included file."""
    if path.suffix == ".md":
        content[0] = rewrite(content[0], Path(app.srcdir, path).resolve())


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite every page and every included file."""
    app.connect("source-read", on_source)
    app.connect("include-read", on_include)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
