"""What the site has and the repository's Markdown has not.

- What stands between `<!-- reference: errors -->` and `<!-- end -->` becomes what `references.py`
  makes of the code.
- A link to a file outside of `docs/` becomes its path: the site does not have it.
- The picture that GitHub draws from Mermaid is there as SVG.
- Each page stands beside its HTML as Markdown, where `llms.txt` leads to it.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import references

MARK = re.compile(r"^<!-- reference: (\w+) -->$.*?^<!-- end -->$", re.M | re.S)
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((\.\./[^)\s]*)\)")
MERMAID = re.compile(r"^```mermaid\n.*?^```$", re.M | re.S)
# Pages of the repository's root that the site has, too.
ROOT_PAGES = {
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
}


def source(docname: str, text: str) -> str:
    """The page's Markdown as the site has it."""
    folder = PurePosixPath("docs", docname).parent
    text = MARK.sub(lambda m: references.REFERENCES[m[1]](), text)
    text = MERMAID.sub("![One request's way through the gateway](images/architecture.svg)", text)
    return LINK.sub(lambda m: _link(folder, m[1], m[2]), text)


def _link(folder: PurePosixPath, words: str, target: str) -> str:
    """A link within the site, or else the words with the path in the repository."""
    path, _, anchor = target.partition("#")
    parts: list[str] = []
    for part in (folder / path).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    name = "/".join(parts)
    if name in ROOT_PAGES:
        up = "../" * (len(folder.parts) - 1)
        return f"[{words}]({up}{ROOT_PAGES[name]}{'#' if anchor else ''}{anchor})"
    if parts[0] == "docs":
        return f"[{words}]({target})"
    return words if words == f"`{name}`" else f"{words} (`{name}`)"


def _read(app: Any, docname: str, content: list[str]) -> None:
    text = content[0]
    if docname.startswith("project/"):  # a page that stands in the repository's root
        [name] = [n for n, page in ROOT_PAGES.items() if page == f"{docname}.md"]
        text = _from_root((Path(app.srcdir).parent / name).read_text(), docname)
    content[0] = source(docname, text)
    written: dict[str, str] = app.env.__dict__.setdefault("loregate_markdown", {})
    written[docname] = content[0]


def _from_root(text: str, docname: str) -> str:
    """A root page's links as they are from the page's folder."""
    up = "../" * (docname.count("/") + 1)
    return re.sub(r"\]\((?!https?:|#|mailto:)([^)]+)\)", rf"]({up}\1)", text)


def _write(app: Any, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        for docname, text in app.env.__dict__.get("loregate_markdown", {}).items():
            path = Path(app.outdir, f"{docname}.md")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def setup(app: Any) -> dict[str, Any]:
    app.connect("source-read", _read)
    app.connect("build-finished", _write)
    return {"version": "1", "parallel_read_safe": False}
