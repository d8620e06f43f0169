"""Names of the package in running text, made links to their entry in the reference.

Pages and docstrings write ``MFAVBClustering`` or ``sklearn_mfavb.metrics`` as plain
code. Where that is a public name, it leads to where the name is explained.
"""

import re
from functools import cache
from itertools import chain
from typing import Any

from docutils import nodes
from public_names import public_names
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_WORD = re.compile(r"(\w+)")
_LINKED = (nodes.reference, nodes.title, pending_xref)


@cache
def entries() -> dict[str, str]:
    """Map what may be written for a public name to its name in the reference."""
    places = {module: module for module in public_names() if "." in module}
    for module, kinds in public_names().items():
        for name in chain.from_iterable(kinds.values()):
            places[name] = places[f"{module}.{name}"] = f"{module}.{name}"
    return places


class LinkNames(SphinxTransform):
    """Wrap code that is a public name, and classes among types, into references."""

    default_priority = 400

    def apply(self, **options: Any) -> None:
        """Look at code within a line, and at what docstrings say of types."""
        for code in list(self.document.findall(nodes.literal)):
            entry = entries().get(code.astext())
            if entry is not None and not isinstance(code.parent, _LINKED):
                code.replace_self(self._refer(code.deepcopy(), entry))
        for types in self.document.findall(nodes.classifier):
            for text in list(types.findall(nodes.Text)):
                words = map(nodes.Text, _WORD.split(text))
                text.parent.replace(text, [self._refer_to_class(w) for w in words])

    def _refer_to_class(self, word: nodes.Text) -> nodes.Node:
        """Wrap a word that is the name of a class."""
        entry = entries().get(word) if word[:1].isupper() else None
        return word if entry is None else self._refer(word, entry)

    def _refer(self, shown: nodes.Node, entry: str) -> pending_xref:
        """Make a reference to an entry."""
        return pending_xref(
            "",
            shown,
            refdomain="py",
            reftype="obj",
            reftarget=entry,
            refexplicit=True,
            refwarn=True,
            refdoc=self.env.docname,
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Look at every page once it is read."""
    app.add_transform(LinkNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
