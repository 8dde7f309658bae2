"""Reading SVG and HTML back as a browser would, to see what came out as markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

SVG = "{http://www.w3.org/2000/svg}"
_VOID = {"br", "hr", "img", "input", "meta", "link"}
_HARMLESS = {
    "svg", "title", "desc", "style", "g", "rect", "path", "circle", "text", "tspan",
    "div", "span", "table", "thead", "tbody", "tr", "th", "td", "a",
}  # fmt: skip


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] != "style":
            self.text.append(data)


def read_html(markup: str) -> tuple[list[tuple[str, dict[str, str | None]]], str]:
    """Return the tags and the text of `markup`, after checking that it nests and can do no harm."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    assert reader.open == []
    markup.encode()  # no lone surrogates
    for tag, attributes in reader.tags:
        assert tag in _HARMLESS
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "src"):
                assert re.match(r"https?://|[^:/]*(/|$)", value or "", re.IGNORECASE)
    return reader.tags, "".join(reader.text)


def read_svg(markup: str) -> ET.Element:
    """Return the root of `markup`, after checking that it is XML and can do no harm."""
    read_html(markup)
    return ET.fromstring(markup)


def titles(root: ET.Element) -> list[str]:
    """Return all tooltips, in order."""
    return [element.text or "" for element in root.iter(f"{SVG}title")]
