"""How Sphinx makes a site of the pages; tools/docs calls it with the repository's root as its source folder."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

project = "flashtile"
release = re.search(r"project\(flashtile VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1]
author = "flashtile's authors"
copyright = author  # pylint: disable=redefined-builtin
root_doc = "docs/site/index"
include_patterns = ["*.md", "docs/**.md", "examples/**.md", "packaging/*.md", "bench/results/**.md"]
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"flashtile {release}"
# Links to sources become downloads; those to folders lead nowhere in a site.
suppress_warnings = ["myst.xref_missing"]
autodoc_mock_imports = ["flashtile._library", "jax", "numpy", "torch", "transformers"]  # the pages need nothing built or installed
highlight_language = "text"


def as_written(_app, _what, _name, _object, _options, lines):
    """Docstrings are laid out for a terminal: they are shown as they are."""
    lines[:] = ["::", "", *[f"    {line}" for line in lines], ""]


def setup(app):
    app.connect("autodoc-process-docstring", as_written)
