"""No text can become markup."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from hadaptive.paper.escape import latex, markdown


@given(st.text())
def test_latex_leaves_no_active_character(text: str) -> None:
    known = r"\\(?:[{}$&#%_]|[a-zA-Z]+\{\})|\$-\$|\$\\(?:pm|times|leq|geq|mu|surd|uparrow|downarrow)\$|\$\^2\$|-\{\}"
    rest = re.sub(known, "", latex(text))
    assert not set(rest) & set('\\{}$&#%_^~<>|"`\n'), rest
    assert "--" not in latex(text)


@given(st.text())
def test_markdown_leaves_no_active_character(text: str) -> None:
    rest = re.sub(r"\\[\\`*_{}\[\]#|~$^]|&(?:amp|lt|gt);", "", markdown(text))
    assert not set(rest) & set("\\`*_[]#|~<>&\n"), rest


@given(st.text("abc XYZ 0123456789.,:;()+=?!'"))
def test_plain_text_stays(text: str) -> None:
    assert latex(text) == markdown(text) == " ".join(text.split())


def test_examples() -> None:
    assert latex(r"50% of $x_1$ & \foo{#}") == r"50\% of \$x\_1\$ \& \textbackslash{}foo\{\#\}"
    assert latex("\N{CJK UNIFIED IDEOGRAPH-4E2D}") == "[U+4E2D]"
    assert latex("70 ± 1") == r"70 $\pm$ 1"
    assert markdown("<b>|*a*") == r"&lt;b&gt;\|\*a\*"
