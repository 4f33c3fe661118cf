"""The documentation's settings: https://www.sphinx-doc.org/en/master/usage/configuration.html."""

import sys
from pathlib import Path

import sklearn_ae

sys.path.insert(0, str(Path(__file__).parent))  # for _small_size

project = "sklearn_ae"
author = "The sklearn_ae developers"
copyright = f"2026, {author}"
version = release = sklearn_ae.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
default_role = "literal"
# A method's name behind its class's would not fit into the column of contents.
toc_object_entries_show_parents = "hide"

# A name that no page defines is an error (-n -W), except for what other projects define. Their
# inventories would be fetched at each build, which must also work without a network.
nitpick_ignore_regex = [
    (r"py:.*", r"(matplotlib|numpy|scipy|sklearn|skorch|torch)\..*"),
    (r"std:term", r"metadata_routing|random_state"),  # scikit-learn's glossary
]

# The pages of the API follow __all__ of each public module.
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # numpydoc's sections say more: shapes, ranges, defaults
numpydoc_show_class_members = False  # autodoc shows them, with their text
numpydoc_validation_checks = {
    "all",  # but for these:
    "ES01",  # an extended summary: not everything needs one
    "EX01",  # an example: a method may be shown in its class's
    "GL01",  # the summary on the line of the opening quotes, as in scikit-learn
    "RT02",  # results have names, as in scikit-learn
    "RT03",  # and a name with a shape may say all
    "SA01",  # relatives: not everything has them
}
# A method of a module takes a batch and gives one: a line is enough.
numpydoc_validation_exclude = {r"sklearn_ae\.nn\.\w+\.\w+"}

plot_formats = [("png", 150)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "reset_argv": "_small_size.small_size",
    "min_reported_time": 3600,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "plot_gallery": True,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_sidebars = {"getting_started": [], "index": []}  # they have no pages below them
html_theme_options = {"show_prev_next": False}


def skip_member_of_another_project(app, what, name, obj, skip, options):
    """Leave out what is inherited from scikit-learn or torch, which document it."""
    function = getattr(obj, "fget", obj)  # of a property
    module = getattr(function, "__module__", None) or ""
    return True if module.split(".")[0] in {"sklearn", "torch"} else None


def setup(app):
    app.connect("autodoc-skip-member", skip_member_of_another_project)
