"""The HTML page in a real browser: it asks for nothing, sorts, filters, prints, and no name in it is more than text."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command_line import kldeval
from looping import each_of
from report_files import leaderboard, report, write

from kldeval.records import Score
from kldeval.reports.strips import Panel, Strip, choose_maps

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
CLASSES = "sample_data/classes/pred", "sample_data/classes/gt"
DOCUMENTS = {
    "report": ("show", "tests/golden/documents/report.json"),
    "references": ("show", "tests/golden/documents/references.json"),
    "leaderboard": ("show", "tests/golden/documents/leaderboard.json"),
    "compare": ("show", "tests/golden/documents/compare.json"),
    "audit": ("audit", "sample_data/bold", "sample_data/careful", "sample_data/gt", "--eps-curve"),
    "audit-one": ("audit", "sample_data/bold", "sample_data/gt", "--eps-curve"),
    "pictures": ("sample_data/bold", "sample_data/gt", "-m", "kld,nss", "--fixations", "sample_data/fixations.csv"),
    "classes": (
        *CLASSES,
        "--axis",
        "0",
        "--norm",
        "softmax",
        "--per-class",
        "-m",
        "ce,ece,ace",
        "--ignore-index",
        "255",
    ),
}
HOSTILE = '</script><script>document.title="x"</script><img src=x onerror=alert(1)>"\'&{{7*7}}\u202e\x1b[31m'


class Parsed(HTMLParser):
    """Every tag with its attributes, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._raw = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._raw = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._raw = False if tag in ("script", "style") else self._raw

    def handle_data(self, data: str) -> None:
        self.text += "" if self._raw else data


def many(number: int, name: str = "video/{:06d}") -> Any:
    """A report of so many maps with two metrics."""
    scores = [
        Score(name.format(place), {"kld": (place * 7919 % 10007) / 1000, "cc": math.sin(place)})
        for place in range(number)
    ]
    return report(*scores)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind of document, written as users write them."""
    folder = tmp_path_factory.mktemp("pages")
    here = Path.cwd()
    os.chdir(ROOT)
    try:
        for name, line in DOCUMENTS.items():
            outcome = kldeval(*line, "-o", folder / f"{name}.html", "-q")
            assert outcome.code in (0, 1, 3), outcome.err
    finally:
        os.chdir(here)
    return {name: folder / f"{name}.html" for name in DOCUMENTS}


# without a browser


@each_of("name", DOCUMENTS)
def test_a_page_names_nothing_outside_itself(name: str, pages: dict[str, Path]) -> None:
    text = pages[name].read_text(encoding="utf-8")
    parsed = Parsed(text)
    sources = ("src", "href", "action", "data")
    links = [value for _, attrs in parsed.tags for key, value in attrs.items() if key in sources]
    assert all(value and value.startswith(("#", "data:image/webp;base64,")) for value in links)
    assert not [attrs for _, attrs in parsed.tags if any(key == "style" or key.startswith("on") for key in attrs)]
    (policy,) = [attrs["content"] for tag, attrs in parsed.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    identifiers = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(identifiers) == len(set(identifiers))
    assert {link[1:] for link in links if link and link.startswith("#")} <= set(identifiers)


def test_a_hostile_name_is_text_wherever_it_stands() -> None:
    strip = Strip(HOSTILE, "worst 1 of 2", (Panel(HOSTILE, b"x", HOSTILE, "0 to 1"),), "kld 1")
    made = report(*(Score(f"{HOSTILE}{place}", {"kld": 1.0 + place}) for place in range(600)), notes=(HOSTILE,))
    parsed = Parsed(write(made, "html", strips=(strip,)))
    tags = [tag for tag, _ in parsed.tags]
    assert tags.count("script") == 2
    assert tags.count("img") == 1
    assert "\x1b" not in parsed.text
    assert "\u202e" not in parsed.text
    assert r"\u202e\x1b[31m" in parsed.text
    assert "{{7*7}}" in parsed.text


def test_rows_are_worst_first_and_undefined_ones_last() -> None:
    values = {"a": 1.0, "b": math.nan, "c": math.inf, "d": 2.0}
    text = write(report(*(Score(name, {"kld": value}) for name, value in values.items())), "html")
    assert re.findall(r'<tr><th scope="row"><bdi>(\w)</bdi>', text) == ["c", "d", "a", "b"]


def test_a_page_is_bounded_by_pictures_then_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kldeval.writers.html.MOST_BYTES", 150_000)
    monkeypatch.setattr("kldeval.writers.html.MOST_ROWS", 900)
    strips = tuple(Strip(f"m{place}", "worst", (Panel("map", b"x" * 3000, "a map"),)) for place in range(60))
    made = many(700)
    some = write(made, "html", strips=strips)
    assert len(some.encode()) <= 150_000
    kept = some.count("<article")
    assert 0 < kept < 60
    assert f"pictures of {kept} maps are shown; more would make the page larger than" in some
    assert len(json.loads(re.findall(r'id="data">(.*?)</script>', some)[0])) == 200
    fewer = write(many(4000), "html", strips=strips)
    assert len(fewer.encode()) <= 150_000
    assert "<article" not in fewer
    assert "the table holds the 900 worst of 4000 maps" in fewer


def test_maps_worth_a_look_are_the_worst_the_best_and_some_between() -> None:
    badness = {f"m{place:03}": float(place) for place in range(100)} | {"undefined": math.nan}
    chosen = choose_maps(badness, 60)
    assert len(chosen) == 60
    names = list(chosen)
    assert names[0] == "undefined"
    assert names[1:24] == [f"m{place:03}" for place in range(99, 76, -1)]
    assert names[-12:] == [f"m{place:03}" for place in range(11, -1, -1)]
    assert chosen["m000"] == "best 1 of 101"
    assert choose_maps({"a": 1.0}, 60) == {"a": "1 of 1, from worst to best"}
    assert choose_maps({}, 60) == {}


@each_of("limit", range(1, 12))
def test_as_many_maps_are_chosen_as_were_asked_for(limit: int) -> None:
    badness = {str(place): float(place) for place in range(40)}
    assert len(choose_maps(badness, limit)) == limit


# in a browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
REQUIRED = bool(os.environ.get("REQUIRE_BROWSER"))
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install -y --no-install-recommends chromium")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def window(browser: Any) -> tuple[Any, list[str]]:
    """A tab, and what its pages complain of and ask for: another tab is another process, which takes half a second."""
    said: list[str] = []
    return listened_to(browser.new_context().new_page(), said), said


def listened_to(tab: Any, said: list[str]) -> Any:
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith("data:") else None)
    tab.on("dialog", lambda dialog: said.append(dialog.message))
    return tab


def opened(window: tuple[Any, list[str]], path: Path) -> tuple[Any, list[str]]:
    """The page of a file, and what it complained of or asked for beside itself."""
    tab, said = window
    said.clear()
    tab.goto(path.as_uri())
    assert said.pop(0) == path.as_uri()
    return tab, said


def background_of(tab: Any, scheme: str) -> str:
    """The background of the page where the system is light or dark."""
    tab.emulate_media(color_scheme=scheme)
    color: str = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    return color


def names_of(tab: Any) -> list[str]:
    names: list[str] = tab.eval_on_selector_all("#table tbody th", "cells => cells.map(cell => cell.textContent)")
    return names


THINNED = """() => {
  const shape = one => one.nodeType !== Node.ELEMENT_NODE ? "" : `<${one.localName} ${
    [...one.attributes].map(each => each.name === "class" ? each.value : each.name)}>${
    [...one.childNodes].map(shape).join("")}</>`;
  for (const list of document.querySelectorAll("tbody, ul, ol, svg, svg g")) {
    const seen = {};
    for (const one of [...list.children]) {
      const own = shape(one);
      seen[own] = (seen[own] || 0) + 1;
      if (seen[own] > 2) one.remove();
    }
  }
}"""
"""Leaves two of the rows, points and lines of a list that differ in words and numbers alone: axe takes each in turn."""


OF_COLOURS = ["color-contrast", "link-in-text-block"]
FORGOTTEN = """seen => {
  const known = new Set(seen), colours = new Map([[document, ""]]);
  const colour = one => {
    if (!colours.has(one)) {
      const style = getComputedStyle(one);
      const own = [one.localName, one.getAttribute("class"), style.color, style.fill, style.backgroundColor];
      colours.set(one, colour(one.parentNode) + own);
    }
    return colours.get(one);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = new Set();
  for (const text of [...function* () { while (texts.nextNode()) yield texts.currentNode; }()]) {
    const own = colour(text.parentNode);
    known.has(own) ? text.remove() : found.add(own);
  }
  return [...found];
}"""
"""Removes texts whose elements, with all around them, have classes and colours that earlier pages had, and names the
others: the rules about colours take each text in turn, longer than all other rules."""


def violations(tab: Any, **options: Any) -> list[dict[str, Any]]:
    """What axe finds wrong with the page that it has been loaded into: all else that it finds is large."""
    run = "options => axe.run({...options, resultTypes: ['violations']}).then(found => found.violations)"
    found: list[dict[str, Any]] = tab.evaluate(run, options)
    return found


@pytest.fixture(scope="module")
def seen_colours() -> list[str]:
    """Elements of the pages that went before, by their colours."""
    return []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_page_opens_and_is_accessible(
    name: str, window: Any, pages: dict[str, Path], seen_colours: list[str]
) -> None:
    tab, said = opened(window, pages[name])
    assert [background_of(tab, scheme) == "rgb(255, 255, 255)" for scheme in ("dark", "light")] == [False, True]
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.evaluate("[...document.images].every(image => image.alt && image.width)")
    tab.evaluate("Promise.all([...document.images].map(image => { image.loading = 'eager'; return image.decode(); }))")
    assert said == []
    tab.evaluate(THINNED)
    tab.evaluate(import_module("axe_playwright_python.sync_playwright").Axe().axe_script)
    found = violations(tab, rules={rule: {"enabled": False} for rule in OF_COLOURS})
    seen_colours += tab.evaluate(FORGOTTEN, seen_colours)
    found += violations(tab, runOnly={"type": "rule", "values": OF_COLOURS})
    background_of(tab, "dark")  # which changes colours alone
    found += violations(tab, runOnly={"type": "tag", "values": ["cat.color"]})
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


def test_the_dark_scheme_changes_colours_alone() -> None:
    """So that only the rules of axe about colours are run on it, too."""
    styles = (ROOT / "kldeval" / "writers" / "templates" / "page.css").read_text(encoding="utf-8")
    (dark,) = re.findall(r"@media \(prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}\s*\}", styles, re.DOTALL)
    assert re.fullmatch(r"(\s*--\w+: #[0-9a-f]{6};)+\s*", dark)


def test_sort_filter_and_more(window: Any, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    path.write_text(write(many(1200), "html"), encoding="utf-8")
    tab, said = opened(window, path)
    assert len(names_of(tab)) == 500
    more = tab.get_by_role("button", name="More rows")
    more.click()
    assert len(names_of(tab)) == 1000
    more.click()
    assert len(names_of(tab)) == 1200
    assert not more.is_visible()
    tab.get_by_role("button", name="map", exact=True).click()
    assert names_of(tab)[:2] == ["video/000000", "video/000001"]
    assert tab.locator("#table th[aria-sort=ascending]").count() == 1
    tab.get_by_role("button", name="map", exact=True).click()
    assert names_of(tab)[0] == "video/001199"
    assert tab.locator("#table th[aria-sort=descending]").count() == 1
    kld = tab.get_by_role("button", name=re.compile("^kld"))
    kld.click()
    cells = tab.eval_on_selector_all("#table tbody td:nth-child(2)", "cells => cells.map(cell => cell.textContent)")
    values = [float(text) for text in cells]
    assert values == sorted(values)
    tab.get_by_label("Filter by name").fill("00011")
    assert len(names_of(tab)) == 11
    assert tab.locator("#count").text_content() == "11 of 1200 maps"
    assert said == []


def test_undefined_values_stay_last_however_a_column_is_sorted(window: Any, tmp_path: Path) -> None:
    values = {"a": 1.0, "b": math.nan, "c": math.inf, "d": -2.0, "e": -math.inf}
    path = tmp_path / "odd.html"
    made = report(*(Score(name, {"kld": value}) for name, value in values.items()))
    path.write_text(write(made, "html"), encoding="utf-8")
    tab, _ = opened(window, path)
    kld = tab.get_by_role("button", name=re.compile("^kld"))
    kld.click()
    assert names_of(tab) == ["e", "d", "a", "c", "b"]
    kld.click()
    assert names_of(tab) == ["c", "a", "d", "e", "b"]


def test_a_hostile_name_does_nothing(window: Any, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    made = report(*(Score(f"{HOSTILE}{place}", {"kld": 1.0}) for place in range(600)))
    path.write_text(write(made, "html"), encoding="utf-8")
    tab, said = opened(window, path)
    title = tab.title()
    tab.get_by_role("button", name="More rows").click()
    tab.get_by_role("button", name="map", exact=True).click()
    assert len(names_of(tab)) == 500
    assert names_of(tab)[0].startswith("</script><script>")
    assert (tab.title(), said) == (title, [])


def test_without_scripts_the_rows_are_there(window: Any, tmp_path: Path) -> None:
    path = tmp_path / "plain.html"
    path.write_text(write(many(700), "html"), encoding="utf-8")
    scripts = window[0].context.new_cdp_session(window[0])
    scripts.send("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        tab, said = opened(window, path)
        assert tab.locator("#table tbody tr").count() == 500
        assert not tab.get_by_role("button", name="More rows").is_visible()
        assert "These are the first 500 of 700 rows" in tab.locator("noscript").first.text_content()
        assert said == []
    finally:
        scripts.send("Emulation.setScriptExecutionDisabled", {"value": False})


def test_every_picture_is_there_when_it_prints(window: Any, pages: dict[str, Path], tmp_path: Path) -> None:
    tab, said = opened(window, pages["pictures"])
    tab.pdf(path=tmp_path / "page.pdf")
    assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert tab.evaluate("document.images.length") >= 5 * 4
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert said == []


def test_thousands_of_maps_are_ready_and_sorted_at_once(window: Any, tmp_path: Path) -> None:
    """It takes a second on an idle machine; here the browser's own patience is the bound."""
    path = tmp_path / "large.html"
    path.write_text(write(many(50_000), "html"), encoding="utf-8")
    assert path.stat().st_size < 20_000_000
    tab, said = opened(window, path)
    tab.get_by_role("button", name=re.compile("^cc")).click()
    tab.get_by_label("Filter by name").fill("049999")
    assert names_of(tab) == ["video/049999"]
    assert said == []


def test_a_point_opens_the_pictures_of_its_map(window: Any, tmp_path: Path) -> None:
    reports = {model: many(9, name) for model, name in (("good", "x{}"), ("bad", "x{}"))}
    board = leaderboard(reports, 100)
    name = next(iter(board.reports.values())).scores[0].name
    strips = (Strip(name, "worst 1 of 9", (Panel("prediction", b"", "a prediction"),)),)
    path = tmp_path / "board.html"
    path.write_text(write(board, "html", strips=strips), encoding="utf-8")
    tab, said = opened(window, path)
    tab.locator("svg a").first.focus()
    tab.keyboard.press("Enter")
    assert tab.locator(".strip:target h3 bdi").text_content() == name
    assert said == []


def test_the_browser_was_not_skipped_where_it_is_required() -> None:
    if REQUIRED:
        assert CHROMIUM
        import_module("playwright.sync_api")
        import_module("axe_playwright_python.sync_playwright")
