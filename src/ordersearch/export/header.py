"""The head of exported source: what is known of the blocks, as comments that nothing can break out of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from textwrap import wrap

WIDTH = 86

# In the first two lines of a file, Python takes a comment with "coding:" or "coding=" for the file's encoding.
_CODING = re.compile(r"(?i)coding(?=[:=])")


def commented(lines: Iterable[str]) -> str:
    r"""Lines as comments of Python or YAML; what would end a comment or change how it shows is a blank.

    Example:
        >>> commented(["study\nimport os", "", "coding: utf-7"])
        '# study import os\n#\n# coding : utf-7\n'
    """
    return "".join(f"# {part}".rstrip() + "\n" for line in lines for part in _wrapped(printable(line)))


def printable(text: str) -> str:
    """The text with blanks for line breaks and all else that does not print."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


def _wrapped(text: str) -> list[str]:
    plain = _CODING.sub(r"\g<0> ", text)
    return wrap(plain, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) or [""]
