"""A page as a person uses it who checks results by ear and eye, in a window of 1280 × 800 pixels: `make test-view`."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from selenium.webdriver.common.keys import Keys

from novaspeech.colours import COLOURS, FAINTEST, STRONGEST
from novaspeech.formats.track import Track, Tracks
from novaspeech.segments import Segment
from novaspeech.view.page import write_page
from tests.novaspeech.view.conftest import Page

pytestmark = pytest.mark.browser

SECONDS, FIRST_HIT = 600, 300.0
LONG_NAME = "an extraordinarily long keyword of a study"
HITS = [Segment(300_000, 300_400, "money", 1.0), Segment(480_000, 500_000, LONG_NAME, 0.5)]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of ten minutes: two hits, many words, curves with a threshold and a gap, and embeddings."""
    audio = tmp_path_factory.mktemp("talk") / "talk.flac"
    soundfile.write(audio, 0.3 * np.sin(np.arange(SECONDS * 8000) / 5), 8000)
    times = np.stack([np.arange(SECONDS), np.arange(SECONDS) + 1], axis=1).astype(float)
    scores = (0.5 + 0.4 * np.sin(times[:, 0])).astype(np.float32)
    scores[10:20] = np.nan
    words = [Segment(500 * n, 500 * n + 450, ("so", "conversation", "well")[n % 3], 0.9) for n in range(1000)]
    tracks = (
        Track("arousal", "scores", times, scores),
        Track("valence", "scores", times, 1 - scores),
        Track("similarity_to_the_reference", "scores", times, scores, low=-1),
        Track.of_segments("keywords", HITS, ["money", LONG_NAME]),
        Track.of_segments("words", words),
        Track("embeddings", "vectors", times, np.random.default_rng(0).normal(size=(SECONDS, 8)).astype(np.float32)),
    )
    write_page(Tracks("talk", audio, SECONDS, tracks), audio.with_suffix(".html"), {"arousal": 0.25})
    return audio.with_suffix(".html")


@pytest.fixture
def page(browser: Any, talk: Path) -> Iterator[Page]:
    look = {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", look)
    browser.get_log("browser")
    yield Page(browser, talk)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    complaints = [entry["message"] for entry in browser.get_log("browser") if entry["level"] != "INFO"]
    assert complaints == []


def click(page: Page, where: str) -> None:
    page("document.querySelector(arguments[0]).click()", where)
    page.settle()


def test_it_opens_at_the_first_hit(page: Page) -> None:
    start, end = page.view
    assert start < FIRST_HIT < end
    assert end - start == 60
    page.until(lambda: page.time == FIRST_HIT)


def test_there_is_one_player(page: Page) -> None:
    assert page("return document.querySelectorAll('audio, video').length") == 1
    assert page("const p = document.getElementById('player'); return p.controls || p.offsetHeight > 0") is False
    page("const s = document.getElementById('speed'); s.value = '0.5'; s.onchange()")
    assert page("return document.getElementById('player').playbackRate") == 0.5
    page("const s = document.getElementById('volume'); s.value = '0.25'; s.oninput()")
    assert page("return document.getElementById('player').volume") == 0.25


def test_names_end_in_their_boxes(page: Page) -> None:
    cut = whole = 0
    for length in (4, 10, 12):
        page.show(300, length)
        drawn, (start, end) = page.source("segments", 1), page.view
        per_pixel = (end - start) / page(
            "return Bokeh.documents.flatMap((d) => [...d.all_models]).find((m) => m.name === 'panel').inner_width"
        )
        wide = page(
            "const pen = document.createElement('canvas').getContext('2d');"
            "pen.font = '12px helvetica, arial, sans-serif';"
            "return arguments[0].map((text) => pen.measureText(text).width)", drawn["label"]
        )  # fmt: skip
        for left, right, name, label, width in zip(
            *(drawn[key] for key in ("at", "right", "name", "label")), wide, strict=True
        ):
            assert left + (3 + width) * per_pixel <= right or not label
            assert label in ("", name) or (label.endswith("…") and name.startswith(label[:-1]))
            cut += label.endswith("…")
            whole += label == name
    assert cut > 10
    assert whole > 10


def test_names_beside_the_panels_are_whole_when_pointed_at(page: Page) -> None:
    found = page(
        "return [...document.querySelectorAll('.names [title]')].map((e) =>"
        "[e.title, e.textContent, e.scrollWidth > e.clientWidth, getComputedStyle(e).textOverflow])"
    )
    titles = {title for title, *_ in found}
    assert {"arousal", "valence", "similarity_to_the_reference", "threshold of arousal", "money", LONG_NAME} <= titles
    assert [how for title, _, cut, how in found if title == LONG_NAME and cut] == ["ellipsis"]


def test_a_click_on_a_curves_name_hides_it(page: Page) -> None:
    visible = (
        "const n = window.novaspeech, names = n.data.panels.flatMap((p) => p.names);"
        "return names.find((one) => one.text === 'valence').lines.map((line) => n.model(line).visible)"
    )
    assert page(visible) == [True, True]
    click(page, ".names [title=valence]")
    assert page(visible) == [False, False]
    assert page("return document.querySelector('.names [title=valence]').getAttribute('aria-pressed')") == "false"


def test_the_legend_tells_thresholds_opacities_and_colours(page: Page) -> None:
    legend = page("return document.getElementById('legend').innerText")
    for said in ("confidence", "0.5", "threshold", "no value", "spectrogram"):
        assert said in legend
    shades = page("return [...document.querySelectorAll('#legend .shade')].map((e) => +getComputedStyle(e).opacity)")
    assert shades == pytest.approx([FAINTEST, (FAINTEST + STRONGEST) / 2, STRONGEST])
    page.show(280, 300)
    assert page.source("segments", 0)["alpha"] == pytest.approx([shades[1], shades[2]])
    colours = page(
        "return ['arousal', 'valence'].map((t) => document.querySelector(`.names [title=${t}]`))"
        ".map((e) => e.style.getPropertyValue('--colour'))"
    )
    assert colours == list(COLOURS[:2])
    click(page, "#fold [data-panel=maps]")
    page("const c = document.getElementById('colouring'); c.value = 'keywords'; c.onchange()")
    assert "money" in page("return document.getElementById('colours').innerText")


def test_the_list_leads_from_hit_to_hit(page: Page) -> None:
    listed = page("return [...document.querySelectorAll('#segments option')].map((o) => o.textContent)")
    assert len(listed) == len(HITS)
    assert all(part in listed[1] for part in ("8:00", LONG_NAME, "0.50"))
    click(page, "#next")
    page.until(lambda: page.time == 480)
    assert page.view[0] < 480 < page.view[1]
    assert page("return document.getElementById('segments').selectedIndex") == 1
    page.press("p")
    page.until(lambda: page.time == FIRST_HIT)
    page.press("n")
    page.until(lambda: page.time == 480)
    page("const of = document.getElementById('of'); of.value = 'words'; of.onchange()")
    page("const s = document.getElementById('search'); s.value = 'CONV'; s.oninput()")
    assert page("return document.getElementById('segments').length") == 333
    assert page("return document.getElementById('count').textContent") == "333 of 1000"
    page("window.novaspeech.seek(100)")
    page.press("n")
    page.until(lambda: page.time == 101.0)  # the 202nd word, of which every third is this one
    assert "conversation" in page("return document.getElementById('segments').selectedOptions[0].textContent")


def test_a_segment_is_played_in_a_loop(page: Page) -> None:
    page.press("l")
    page("document.getElementById('segments').selectedIndex = 0; document.getElementById('segments').onchange()")
    page.press(" ")
    heard = [page.time]
    while len(heard) < 40:
        page.settle()
        heard.append(page.time)
        page("return new Promise((done) => setTimeout(done, 30))")
    page.press(" ")
    assert min(heard) >= FIRST_HIT
    assert max(heard) < FIRST_HIT + 0.4 + 0.15
    assert sum(after < before for before, after in pairwise(heard)) >= 2, "it began again"
    page("window.novaspeech.seek(310)")
    page.press(" ")
    page.until(lambda: page.time > 310.3)
    page.press(" ")
    assert page.time < 330, "elsewhere it plays on"


def test_the_wheel_scrolls_the_page_and_zooms_with_ctrl(page: Page) -> None:
    for panel in ("components", "maps"):
        click(page, f"#fold [data-panel$={panel}]")
    view = page.view
    x, y = page.place(view[0] + 30)
    mouse = page.mouse()
    mouse.wheel_action.scroll(x, y, 0, 120)
    mouse.perform()
    page.until(lambda: page("return scrollY") > 50)
    assert page.view == view
    page("scrollTo(0, 0)")
    mouse = page.mouse()
    mouse.key_action.key_down(Keys.CONTROL)
    mouse.perform()
    mouse = page.mouse()
    mouse.wheel_action.scroll(x, y, 0, -300)
    mouse.perform()
    mouse = page.mouse()
    mouse.key_action.key_up(Keys.CONTROL)
    mouse.perform()
    page.until(lambda: page.view[1] - page.view[0] < 59)
    assert page("return scrollY") == 0


def test_all_panels_are_above_the_fold_and_a_bar_folds_them(page: Page) -> None:
    bottom = "return document.getElementById('legend').getBoundingClientRect().bottom"
    before = page(bottom)
    assert before <= 800
    assert page("return document.documentElement.scrollHeight") <= 800
    chips = page("return [...document.querySelectorAll('#fold button')].map((b) => [b.textContent, b.ariaPressed])")
    assert ["spectrogram", "true"] in chips
    assert ["map", "false"] in chips
    click(page, "#fold [data-panel=spectrogram]")
    page.until(lambda: page(bottom) < before - 50)
    tops = "return [...document.querySelectorAll('.names:not([hidden])')].map((e) => e.getBoundingClientRect().top)"
    figures = (
        "const n = window.novaspeech; return n.data.panels.map((p) => n.model(p.id)).filter((m) => m.visible)"
        ".map((m) => Bokeh.index.find_one(m).el.getBoundingClientRect().top)"
    )
    page.until(lambda: page(tops) == pytest.approx(page(figures), abs=1))
    click(page, "#fold [data-panel=spectrogram]")
    page.until(lambda: page(bottom) == before)
