"""What is served: vendored files as locked, no outside address, budgets, contrast, the glossary."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.template import Context, Template
from django.template.loader import get_template
from django.test import override_settings

from etftrader import glossary
from etftrader.deploy import vendor

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "templates" / "reports"  # files people take with them: nothing serves them
TEMPLATES = [
    *(path for path in sorted((ROOT / "templates").rglob("*.html")) if path.parent != FILES),
    *sorted((ROOT / "templates").rglob("*.svg")),
]
OURS = (
    TEMPLATES
    + sorted((ROOT / "static" / "css").glob("*.css"))
    + sorted((ROOT / "static" / "js").glob("*.js"))
)
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
OUTSIDE = re.compile(r"(?:https?:)?//[a-z0-9-]+\.[a-z]{2,}", re.IGNORECASE)
KB = 1024
API_SHEET = "api-docs.css"  # of the API's pages alone

# WCAG 2.2 AA: 4.5 for text, 3 for the parts of a chart or a control that carry meaning.
TEXT = ["ink", "ink-2", "ink-3", "accent", "gain", "loss", "warn", "crit"]
SHAPES = ["series-1", "series-2", "series-3", "series-4", "series-5", "series-6", "control"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_vendored_files_are_what_the_lock_says():
    assert vendor.differences() == []


def test_every_vendored_library_has_a_digest_and_brings_its_licence():
    for package in vendor.packages():
        assert package.integrity.startswith("sha512-")
        assert (package.folder / "LICENSE").stat().st_size > 500


def test_a_changed_vendored_file_is_noticed(tmp_path, monkeypatch):
    package = vendor.packages()[0]
    folder = tmp_path / package.name / package.version
    folder.mkdir(parents=True)
    for file_name, _, _ in package.files:
        (folder / file_name).write_bytes((package.folder / file_name).read_bytes() + b" ")
    monkeypatch.setattr(vendor, "VENDOR", tmp_path)

    found = vendor.differences()

    changed = [line for line in found if line.endswith("was changed")]
    assert len(changed) == len(package.files)


@pytest.mark.parametrize("path", OURS, ids=name)
def test_nothing_is_loaded_from_elsewhere(path):
    text = re.sub(r'xmlns(:\w+)?="[^"]+"', "", path.read_text())

    assert not OUTSIDE.search(text)


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_a_template_obeys_the_content_policy(path):
    text = path.read_text()

    assert not re.search(r"<script(?![^>]*\b(?:src|type=\"application/json\"))", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text)
    assert "<style" not in text
    assert "javascript:" not in text
    assert "|safe" not in text


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_every_template_compiles(path):
    assert get_template(str(path.relative_to(ROOT / "templates")))


@pytest.mark.parametrize("path", sorted((ROOT / "templates" / "ui").glob("*.html")), ids=name)
def test_a_partial_says_its_context_first_and_stays_short(path):
    text = path.read_text()

    assert text.startswith("{% comment %}")
    assert len(text.splitlines()) <= 40


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_a_script_is_short_and_says_what_it_does(path):
    text = path.read_text()

    assert text.startswith("// ")
    assert text.count("\n") < 250
    assert not re.search(r"\beval\(|new Function\b|document\.write|console\.", text)
    # An import for its effects alone keeps its plain name when the files are hashed.
    assert not re.search(r"^import [\"']", text, re.MULTILINE)


def test_static_files_are_collected_and_modules_import_hashed_names(tmp_path):
    storages = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "etftrader.staticfiles.HashedStorage"},
    }
    with override_settings(
        STATIC_ROOT=tmp_path, STATICFILES_DIRS=[ROOT / "static"], STORAGES=storages
    ):
        call_command("collectstatic", "--no-input", verbosity=0)
        live = staticfiles_storage.url("js/live.js")

    served = (tmp_path / live.removeprefix("/static/")).read_text()
    assert re.search(r'from "\./format\.[0-9a-f]{12}\.js"', served)
    assert 'from "./format.js"' not in served


def test_styles_of_a_page_stay_within_forty_kilobytes():
    """What every page loads, and the sheets that some load beside it; no sheet is on no page."""
    folder = ROOT / "static" / "css"
    told = [re.findall(r"css/([\w-]+\.css)", path.read_text()) for path in TEMPLATES]
    common = {"tokens.css", "base.css", "components.css", "pages.css"}
    loads = [common | set(each) for each in told if each]
    assert set().union(*loads) == {path.name for path in folder.glob("*.css")}
    # the style page shows what all the others have
    for each in (each for each in loads if "styleguide.css" not in each):
        assert sum((folder / sheet).stat().st_size for sheet in each) <= 40 * KB, each


def test_scripts_of_the_heaviest_page_stay_within_their_budget():
    # keys.js comes at the first key, redraw.js with the next session, ticket.js on the ticket,
    # the API's on its pages alone; uPlot on pages with a live chart, and none of them has a
    # table that sums itself up (totals.js), is sorted or filtered there (table.js) or decided over
    # (choose.js). A quote's page has scripts of its own instead of chart-live.js:
    # test_pages_quote.py weighs them.
    late = {
        "keys.js",
        "redraw.js",
        "ticket.js",
        "totals.js",
        "table.js",
        "choose.js",
        "chart-price.js",
        "chart-more.js",
        "quote.js",
        "watchlist.js",
        "chain.js",
        "api-docs.js",
        "api-redoc.js",
    }
    own = sum(path.stat().st_size for path in SCRIPTS if path.name not in late)
    import django_htmx

    static = Path(django_htmx.__file__).parent / "static" / "django_htmx"
    plot = ROOT / "static" / "vendor" / "uplot" / "1.6.32" / "uPlot.iife.min.js"

    total = own + (static / "htmx-2.min.js").stat().st_size + plot.stat().st_size
    assert total <= 130 * KB


@pytest.mark.parametrize("path", sorted((ROOT / "static" / "css").glob("*.css")), ids=name)
def test_only_the_tokens_name_a_colour(path):
    text = path.read_text()
    found = re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(", text)

    # The strip's fade is a mask: its black is opacity, not a colour.
    assert path.name == "tokens.css" or set(found) <= {"#000"}


def colours(scheme: str) -> dict[str, str]:
    text = (ROOT / "static" / "css" / "tokens.css").read_text()
    pairs = re.findall(r"--([\w-]+):light-dark\((#[0-9a-f]{6}),(#[0-9a-f]{6})\)", text)
    return {key: (light if scheme == "light" else dark) for key, light, dark in pairs}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_formula_knows_black_on_white():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["panel", "canvas", "raised", "sunken"])
@pytest.mark.parametrize("ink", TEXT)
def test_text_can_be_read_on_every_ground(scheme, ground, ink):
    tokens = colours(scheme)

    assert contrast(tokens[ink], tokens[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_stand_out_from_their_panel(scheme, shape):
    tokens = colours(scheme)

    assert contrast(tokens[shape], tokens["panel"]) >= 3


def test_every_term_has_a_label_and_one_sentence():
    for entry in glossary.terms().values():
        assert entry.label
        assert entry.group
        assert entry.tooltip.endswith("."), entry.key


def test_terms_used_in_templates_exist():
    used = {
        key
        for path in (ROOT / "templates").rglob("*.html")
        for key in re.findall(r'{% term "(\w+)"', path.read_text())
    }

    assert used <= set(glossary.terms())


def test_a_term_links_to_its_entry_and_an_unknown_one_is_only_its_label():
    known = Template('{% load ui %}{% term "var" "VaR 95%" %}').render(Context())
    unknown = Template('{% load ui %}{% term "no_such_key" "Label" %}').render(Context())

    assert 'href="/glossary/#var"' in known
    assert ">VaR 95%<" in known
    assert unknown == "Label"
