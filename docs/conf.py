"""How Sphinx builds these pages: ``sphinx-build -W --keep-going docs build/html``."""

import os
import sys
from pathlib import Path

import sklearn_mfavb

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

from public_names import constants, public_names

os.environ.setdefault("TQDM_DISABLE", "1")  # progress bars are not output to show

project = "sklearn_mfavb"
author = "The sklearn_mfavb developers"
copyright = author
version = release = sklearn_mfavb.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "linked_files",
    "linked_names",
    "mathml",
    "members",
]
templates_path = ["_templates"]
exclude_patterns = ["_extensions", "_static", "_templates", "figures"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(sklearn|torch|skorch|timm|PIL|numpy)\..*")]
default_role = "literal"

# Markdown: what a reader of the plain file sees as a formula is one here.
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4

autosummary_generate = True
autodoc_typehints = "none"  # docstrings have the types
autodoc_member_order = "bysource"
autosummary_context = {"public": public_names(), "constants": constants()}
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"
smartquotes = False  # quotes of strings must stay as they are typed
python_display_short_literal_types = True
maximum_signature_line_length = 88

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent / "examples"),
    "gallery_dirs": "auto_examples",
    # Examples with an encoder need its weights: they are shown, not run.
    "filename_pattern": r"plot_(?!clip)",
    "capture_repr": ("_repr_html_",),
    "within_subsection_order": "NumberOfCodeLinesSortKey",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_mfavb",),
    "reference_url": {"sklearn_mfavb": None},
    "notebook_extensions": set(),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "sklearn_mfavb"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": [], "quick_start": [], "whats_new": [], "contributing": []}
