"""Text made safe for LaTeX and Markdown: what templates apply to every expression that is not markup already."""

from __future__ import annotations

import re

from markupsafe import Markup

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": r"\textasciigrave{}", "/": r"/\allowbreak{}",
    "—": r"\textemdash{}", "–": r"\textendash{}", "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "≤": r"$\leq$",  # noqa: RUF001
    "≥": r"$\geq$", "…": r"\dots{}", "µ": r"$\mu$", "μ": r"$\mu$", "°": r"\textdegree{}", "®": r"\textregistered{}",
    "✓": r"$\surd$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "²": "$^2$",
    "→": r"$\to$", "⊙": r"$\odot$", "·": r"$\cdot$", "ε": r"$\epsilon$",
    "™": r"\texttrademark{}", "‘": r"\textquoteleft{}", "’": r"\textquoteright{}", "“": r"\textquotedblleft{}",  # noqa: RUF001
    "”": r"\textquotedblright{}",
}  # fmt: skip
# plain pdflatex (OT1, UTF-8) knows these letters by itself
_LETTERS = set("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿČčŁłŒœŠšŽž")


def latex(value: object) -> Markup:
    """Text for LaTeX; a character that plain pdflatex lacks becomes its code point, [U+4E2D], rather than an error."""
    text = " ".join(str(value).split())
    safe = "".join(_LATEX.get(c) or (c if c in _LETTERS or " " <= c <= "~" else f"[U+{ord(c):04X}]") for c in text)
    return Markup(re.sub("-(?=-)", "-{}", safe))  # or two hyphens would print as a dash


def markdown(value: object) -> Markup:
    """Text for a Markdown table cell or line: no markup, no HTML, no cell border, on one line."""
    text = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markup(re.sub(r"([\\`*_{}\[\]#|~$^])", r"\\\1", text))
