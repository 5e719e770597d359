"""How `make docs` builds the site: Sphinx with MyST and furo, and nothing from elsewhere."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "Loregate"
version = release = version_of("loregate")
project_copyright = "Loregate's authors; MIT licence"

extensions = ["myst_parser", "site_pages"]
exclude_patterns = ["_build", "_ext"]
nitpicky = True
keep_warnings = False
suppress_warnings: list[str] = []

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
myst_fence_as_directive: list[str] = []

html_theme = "furo"
html_title = f"Loregate {version}"
html_static_path: list[str] = []
html_extra_path = ["llms.txt"]
html_copy_source = False  # `site_pages` writes each page's Markdown beside it
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
