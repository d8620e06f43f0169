"""Formulas as MathML, which browsers show by themselves: no script, no network."""

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

_LOGGER = logging.getLogger(__name__)
# What the converter does not know, or browsers set badly ("logK"), by what they do.
_SPELLINGS = {
    r"\dots": r"\ldots",
    r"\log ": r"\log\, ",
    r"\operatorname*": r"\operatorname",
}


def write_inline(writer: Any, node: nodes.Element) -> None:
    """Write a formula within a line."""
    writer.body.append(_convert(node, as_block=False))
    raise nodes.SkipNode


def write_block(writer: Any, node: nodes.Element) -> None:
    """Write a formula on a line of its own."""
    formula = _convert(node, as_block=True)
    writer.body.append(f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode


def _convert(node: nodes.Element, *, as_block: bool) -> str:
    """Convert the LaTeX of a node, or warn and show it as it is."""
    formula = node.astext()
    for ours, theirs in _SPELLINGS.items():
        formula = formula.replace(ours, theirs)
    try:
        return tex2mathml(formula, as_block=as_block)
    except MathError as error:
        _LOGGER.warning("%s In: %s", error, formula, location=node)
        return f"<code>{formula}</code>"


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer MathML as a value of `html_math_renderer`."""
    app.add_html_math_renderer("mathml", (write_inline, None), (write_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
