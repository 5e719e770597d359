"""What the site has and the repository's Markdown has not.

- What stands between `<!-- reference: errors -->` and `<!-- end -->` becomes what `references.py`
  makes of the code.
- A link to a file that the site does not have becomes its path in the repository.
- The picture that GitHub draws from Mermaid is there as SVG.
- Each page stands beside its HTML as Markdown, where `llms.txt` leads to it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import references

HERE = Path(__file__).parents[1]  # docs/

MARK = re.compile(r"^<!-- reference: (\w+) -->$.*?^<!-- end -->$", re.M | re.S)
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)\s]+)\)")
MERMAID = re.compile(r"^```mermaid\n.*?^```$", re.M | re.S)
# Pages that stand elsewhere in the repository, and that the site has, too.
OTHERS = {
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    "clients/javascript/README.md": "project/client-javascript.md",
    "clients/python/README.md": "project/client-python.md",
    "examples/README.md": "project/examples.md",
}
FOLDERS = {  # what a link to a folder means
    "clients/javascript": "clients/javascript/README.md",
    "clients/python": "clients/python/README.md",
    "examples": "examples/README.md",
}


def source(docname: str, text: str, origin: str) -> str:
    """The page's Markdown as the site has it; `origin` is its file in the repository."""
    text = MARK.sub(lambda m: references.REFERENCES[m[1]](), text)
    text = MERMAID.sub("![One request's way through the gateway](images/architecture.svg)", text)
    return LINK.sub(lambda m: _link(docname, origin, m[1], m[2]), text)


def _link(docname: str, origin: str, words: str, target: str) -> str:
    """A link within the site, or else the words with the path in the repository."""
    path, hash_, anchor = target.partition("#")
    name = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    name = OTHERS.get(FOLDERS.get(name, name), name.removeprefix("docs/"))
    if Path(HERE, name).is_file():
        page = posixpath.relpath(name, posixpath.dirname(docname) or ".")
        return f"[{words}]({page}{hash_}{anchor})"
    return words if words == f"`{name}`" else f"{words} (`{name}`)"


def _read(app: Any, docname: str, content: list[str]) -> None:
    origins = {page: origin for origin, page in OTHERS.items()}
    origin = origins.get(f"{docname}.md", f"docs/{docname}.md")
    text = (HERE.parent / origin).read_text() if docname.startswith("project/") else content[0]
    content[0] = source(docname, text, origin)
    written: dict[str, str] = app.env.__dict__.setdefault("loregate_markdown", {})
    written[docname] = content[0]


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
