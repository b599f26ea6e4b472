"""Configuration of the documentation: ``sphinx-build -WE docs docs/_build/html``."""

import os
import re
import sys
from pathlib import Path

# Results do not depend on the number of threads; the time of small products does. BLAS reads this
# when numpy is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib
from docutils import nodes

from sknn_scratch import __version__

matplotlib.use("Agg")
sys.path.insert(0, str(Path(__file__).parent))

from component_usage import usage
from search_terms import add_terms

project = "sknn_scratch"
author = "The sknn_scratch developers"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # MathJax next to the pages: needs no network
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.md5", "gallery/*.ipynb", "gallery/*.py", "gallery/*.json"]
templates_path = ["_templates"]  # numpydoc: examples directly below the summary

# ------------------------------------------------------------------------------------- markdown
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# ------------------------------------------------------------------------------------ docstrings
autodoc_typehints = "none"
autodoc_default_options = {"member-order": "bysource"}
autosummary_generate = False
toc_object_entries_show_parents = "hide"  # the column next to a page is narrow
numpydoc_show_class_members = False
nitpicky = True

# --------------------------------------------------------------------------------------- gallery
sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "reset_modules": ("matplotlib", "gallery_order.style"),
    "within_subsection_order": "gallery_order.key",
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,  # a page that nothing leads to, and that loads scripts
    "download_all_examples": False,
    "show_signature": False,
    "reference_url": {"sknn_scratch": None},
    "min_reported_time": 0,  # check_site.py reads them
    "capture_repr": ("_repr_html_", "__repr__"),
}

# ------------------------------------------------------------------------------------------ html
html_theme = "pydata_sphinx_theme"
html_title = "sknn_scratch"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "sknn_scratch"},
    "header_links_before_dropdown": 5,
    "show_prev_next": True,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# Pages without siblings use the width of the empty sidebar.
ALONE = "index getting_started equations differences benchmarks changelog contributing"
ALONE += " tabular"
html_sidebars = {page: [] for page in f"{ALONE} switching_from_*".split()}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
# The blank line that keeps doctest from reading the closing fence as output is not shown.
highlight_options = {"python": {"stripnl": True}}

# ---------------------------------------------------------------------------------------- tables
#: The first half of a range such as (4.52 - 4.65), the sizes of a network, a number with its unit.
WHOLE = re.compile(r"(\([\d.]+ -|\d+(?:-\d+)+|[\d.,]+ (?:µs|ms|s|MB)\b)")
#: Where code may continue in the next line, on a phone.
JOINT = re.compile(r"((?<=\w{4}_)(?=[a-z])|(?<=[=(.])(?=[A-Za-z]))")


def wrap_cells(app, doctree):
    """Say where lines of a cell may end: not within a number, and in code at its joints."""
    for cell in doctree.findall(nodes.entry):
        for text in list(cell.findall(nodes.Text)):
            is_code = isinstance(text.parent, nodes.literal)
            parts = (JOINT if is_code else WHOLE).split(text)
            for k, part in enumerate(parts):
                if k % 2 == 0:
                    parts[k] = nodes.Text(part)
                elif is_code:
                    parts[k] = nodes.raw("", "<wbr>", format="html")
                else:
                    parts[k] = nodes.inline("", part, classes=["text-nowrap"])
            text.parent.replace(text, parts)


# ------------------------------------------------------------------------------ plain docstrings
def escape(app, what, name, obj, options, lines):
    """Escape |x|, names_ and initials: no markup. Pages that are named are links here."""
    for k, line in enumerate(lines):
        line = re.sub(r"^(\s*)(?=[A-Z]\. )", r"\1\\", line)  # an author, no item of a list
        line = lines[k] = re.sub(r"``docs(/\w+)\.md``", r":doc:`\1`", line)
        if not line.lstrip().startswith((">>>", "...", "..", ":")):
            parts = re.split(r"(``.*?``|:\w+:`.*?`)", line)
            parts[::2] = [re.sub(r"\||(?<=\w)_(?=[\s,)])", r"\\\g<0>", part) for part in parts[::2]]
            lines[k] = "".join(parts)


def insert_usage(app, what, name, obj, options, lines):
    """Show below the summary of a component how to select it."""
    calls = usage(obj) if what == "class" else []
    if calls:
        summary = next(k for k, line in enumerate(lines) if line)
        end = lines.index("", summary) + 1
        lines[end:end] = [".. code-block:: python", "", *(f"   {call}" for call in calls), ""]


def setup(app):
    """Docstrings: run after numpydoc has made sections of them."""
    app.connect("source-read", add_terms)
    app.connect("doctree-read", wrap_cells)
    app.connect("autodoc-process-docstring", escape, priority=900)
    app.connect("autodoc-process-docstring", insert_usage, priority=901)
