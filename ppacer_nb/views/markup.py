"""Making text from users and tasks safe to show: in markup, and in a terminal."""

from __future__ import annotations

import html
import re

_REPLACEMENT = "\ufffd"
# Not characters of XML 1.0: most control characters, lone surrogates, two non-characters. One of them makes
# an SVG unreadable, and a lone surrogate cannot be encoded as UTF-8 at all.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Characters that turn the direction of the text that follows them, and so change what a line seems to say.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LINE_BREAK = re.compile("\r\n|[\n\r\u2028\u2029]")
# Relative is what has no colon before its first slash.
_SAFE_LINK = re.compile("https?://|[^:/?#]*([/?#]|$)", re.IGNORECASE)


def escape(text: str) -> str:
    """Return `text` for use in HTML or SVG, as content or as a quoted attribute."""
    return html.escape(_NOT_XML.sub(_REPLACEMENT, _BIDI.sub(_REPLACEMENT, text)), quote=True)


def one_line(text: str) -> str:
    """Return `text` without what a terminal would obey: breaks and tabs are blanks, controls are visible."""
    return lines_of(text, joiner=" ").replace("\t", " ")


def lines_of(text: str, *, joiner: str = "\n") -> str:
    """Return `text` with every kind of line break as `joiner`, and other control characters made visible."""
    whole = _BIDI.sub(_REPLACEMENT, _LINE_BREAK.sub("\n", text))
    return _NOT_XML.sub(_REPLACEMENT, whole).replace("\n", joiner)


def middle_ellipsis(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text`, both ends kept: ids tend to differ at their ends."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    tail = limit - 1 - head
    return f"{text[:head]}…{text[len(text) - tail :]}"


def safe_link(link: str) -> str | None:
    """Return `link` escaped for an ``href``, or None unless it is relative or http(s)."""
    link = link.strip()
    if _NOT_XML.search(link) or not _SAFE_LINK.match(link) or any(mark in link for mark in "\n\r\t\\"):
        return None
    return escape(link)
