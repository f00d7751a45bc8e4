"""The page: complete, honest about synthetic data, self-contained, usable on a phone."""

from __future__ import annotations

import html.parser
import itertools
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import cpi_analysis as cpi
from cpi_analysis.report import Report, words
from cpi_analysis.report.page import write_page

VOID = {"meta", "link", "br", "img", "input", "hr", "path", "use"}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

RUN = {
    "package_version": "0",
    "python_version": "0",
    "dependencies": {},
    "seed": 1,
    "input_files": {},
    "input_tables": {},
    "protocol": None,
}


class Page(html.parser.HTMLParser):
    """What the tests ask of the page: elements with attributes, text by section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.sections: dict[str, str] = {}
        self._section = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag == "section":
            self._section = attributes["id"]
            self.sections[self._section] = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._section:
            self.sections[self._section] += data

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


@pytest.fixture(scope="module")
def source(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_nothing_is_loaded_from_anywhere(page: Page, source: str) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("script", "iframe", "object", "embed", "base"), tag
        assert "src" not in attributes
        target = attributes.get("href", attributes.get("xlink:href", "#"))
        assert target.startswith(("#", "tables/", "figures/", "manifest.json", "data:,")), target
    style = re.search(r"<style>(.*?)</style>", source, flags=re.DOTALL)
    assert style is not None
    assert "@import" not in style.group(1)
    assert "url(" not in style.group(1)


def test_every_file_that_the_page_offers_exists(page: Page, folder: Path) -> None:
    offered = [
        attributes["href"]
        for tag, attributes in page.elements
        if tag == "a" and not attributes["href"].startswith("#")
    ]
    assert len(offered) > 20
    assert [name for name in offered if not (folder / name).is_file()] == []


def test_identifiers_are_unique_and_links_lead_somewhere(page: Page) -> None:
    ids = page.ids()
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        target = attributes.get("href", attributes.get("xlink:href", ""))
        if target.startswith("#"):
            assert target[1:] in ids


def test_synthetic_data_are_announced_everywhere(page: Page, source: str) -> None:
    assert len(page.sections) == 7
    for key, text in page.sections.items():
        assert words.BANNER in text, key
    assert f"<title>{words.BANNER}" in source
    assert source.count(words.BANNER_TEXT) == 2
    figures = [a for tag, a in page.elements if tag == "svg"]
    assert len(figures) == source.count('role="img"')


def test_real_data_get_no_banner(report: Report) -> None:
    real = replace(report.measured, is_synthetic=False)
    run = {
        "package_version": "0",
        "python_version": "0",
        "dependencies": {},
        "seed": 1,
        "input_files": {"a.csv": "0"},
        "input_tables": {},
        "protocol": None,
    }
    text = write_page(real, sections=[], facts=[], run=run, svgs={}).decode("utf-8")
    assert words.BANNER not in text


def test_a_title_cannot_smuggle_in_a_script(report: Report) -> None:
    bad = replace(report.measured, title="<script>alert(1)</script>")
    text = write_page(bad, sections=[], facts=[], run=RUN, svgs={}).decode("utf-8")
    assert "<script" not in text


def test_every_table_and_figure_is_on_the_page(page: Page, report: Report) -> None:
    ids = page.ids()
    assert [name for name in report.tables if f"table-{name}" not in ids] == []
    assert [name for name in report.figures if f"figure-{name}" not in ids] == []


def test_landmarks_and_headings_are_in_order(page: Page) -> None:
    tags = [tag for tag, _ in page.elements]
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert tags.count(landmark) == 1, landmark
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    steps = [later - earlier for earlier, later in itertools.pairwise(levels)]
    assert max(steps) <= 1
    assert ("html", {"lang": "en-GB"}) in page.elements


def test_every_figure_has_words_and_every_column_a_heading(page: Page, source: str) -> None:
    pictures = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert pictures
    assert all(len(attributes["aria-label"]) > 40 for attributes in pictures)
    assert source.count("<figcaption>") == len(pictures)
    assert all("scope" in attributes for tag, attributes in page.elements if tag == "th")


def test_every_assumption_of_the_trial_is_listed(page: Page, report: Report) -> None:
    assert report.trial.assumptions
    # Codes of categories are shown as words, so an underscore may be a space.
    shown = re.sub(r"[\s\u2060_]+", " ", page.sections["assumptions"]).replace("−", "-")
    for line in report.trial.assumptions:
        first = line.split(" at m")[0]
        assert re.sub(r"[\s_]+", " ", first).strip() in shown


def test_the_headline_numbers_are_those_of_the_results(page: Page, report: Report) -> None:
    agreement = report.fidelity["agreement"].tidy()
    icc = agreement.loc[agreement["form"] == "ICC(A,k)", "estimate"].iloc[0]
    assert f"{icc:.2f}" in page.sections["summary"]


def test_no_code_of_the_data_is_in_what_a_reader_reads(page: Page) -> None:
    told = " ".join(
        text.split("SHA-256")[0] for key, text in page.sections.items() if key != "assumptions"
    )
    told = re.sub(r"[a-z0-9_]+\.csv", "", told)
    assert re.findall(r"\w+@\w+|\bm9\b", told) == []
    names = set(re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", told)) - {"cpi_analysis"}
    assert names == set()


def test_a_reminder_stands_with_every_comparison_of_measured_groups(report: Report) -> None:
    first, second, _ = report.headlines
    for headline in (first, second):
        assert words.MEASURED_REMINDER in headline
        assert "cost-effective" not in headline
    assert "probability that the high group has the higher net benefit is" in second


def test_allocated_groups_are_called_cost_effective_and_need_no_reminder() -> None:
    planned = cpi.analyse(cpi.simulate_trial(seed=3, design="planned"), seed=1)
    first, second, _ = planned.headlines
    assert "not allocated" not in first + second
    assert "probability of being cost-effective" in second
    text = write_page(
        planned.measured,
        sections=[replace(one, blocks=()) for one in planned.sections],
        facts=planned.facts,
        run=RUN,
        svgs={},
    ).decode("utf-8")
    assert "m12" not in text


def test_all_outcomes_say_the_range_of_participants(page: Page) -> None:
    text = page.sections["effectiveness"]
    assert "98 to 116 participants in 14 agencies" in text


def test_the_economic_tables_name_the_effect_and_count_each_person_once(page: Page) -> None:
    text = page.sections["economics"]
    assert "ICER (£ per QALY)" in text
    assert "per unit" not in text
    assert "difference in QALY" in text
    assert text.count("counted once, by the first reason that applies") == 1


PROBE = """
<script>
addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter((element) => {
    if (element.closest(".scroll, .drawing, pre, .skip, details:not([open])")) return false;
    return element.getBoundingClientRect().right > innerWidth + 1;
  });
  document.body.dataset.probe = JSON.stringify({
    width: innerWidth,
    scroll: document.documentElement.scrollWidth,
    wide: wide.slice(0, 5).map((element) => element.tagName + "." + element.className),
    banner: getComputedStyle(document.querySelector(".banner")).position,
  });
});
</script>
"""


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_the_width_of_the_screen(source: str, tmp_path: Path, width: int) -> None:
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    # A frame of the wanted width: a headless window has a smallest width of its own.
    probed = source.replace("</head>", PROBE + "</head>")
    (tmp_path / "report.html").write_text(probed, encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        f'<body><iframe id="f" src="report.html" width="{width}" height="900"></iframe>'
        "<script>onload = () => { document.body.dataset.probe = "
        'document.getElementById("f").contentDocument.body.dataset.probe; };</script>',
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--allow-file-access-from-files",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1600,1000",
            "--virtual-time-budget=5000",
            "--dump-dom",
            (tmp_path / "frame.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'data-probe="([^"]+)"', done.stdout)
    assert found is not None, done.stdout[:500]
    probe = json.loads(found.group(1).replace("&quot;", '"'))
    assert abs(probe["width"] - width) <= 4
    assert probe["wide"] == []
    assert probe["scroll"] <= probe["width"]
    assert probe["banner"] == "sticky"
