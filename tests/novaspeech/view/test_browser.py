"""Pages in a real browser, Chromium driven by Selenium: `make test-view`."""

from pathlib import Path

import numpy as np
import pytest

from tests.novaspeech.view.conftest import SECONDS, WORDS, Page

pytestmark = pytest.mark.browser


def test_an_hour_is_a_few_megabytes_and_fetches_nothing(page: Page, file: Path) -> None:
    assert file.stat().st_size < 7e6
    fetched = page("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith(("data:", "blob:", "file:")) for name in fetched)
    assert [name for name in fetched if name.startswith("file:")] in (
        [],
        [page("return document.getElementById('player').src")],
    )


def test_it_plays_and_the_cursor_runs(page: Page) -> None:
    page.until(lambda: page("return document.getElementById('player').readyState") >= 1)
    assert page("return document.getElementById('player').duration") == pytest.approx(SECONDS, abs=0.1)
    before = page("return document.getElementById('cursor').style.left")
    page.press(" ")
    page.until(lambda: page.time > 0.5)
    assert page("return document.getElementById('play').textContent") == "pause"
    page.press(" ")
    assert page("return document.getElementById('player').paused")
    clock = page("return document.getElementById('clock').textContent")
    minutes, seconds = clock.split(" / ")[0].split(":")
    assert 60 * int(minutes) + float(seconds) == pytest.approx(page.time, abs=0.1)
    assert page("return document.getElementById('cursor').style.left") != before


def test_it_follows_what_is_played(page: Page) -> None:
    page.show(100, 2)
    page("window.novaspeech.seek(101.7)")
    page.press(" ")
    page.until(lambda: page.view[0] > 100)
    page.press(" ")
    start, end = page.view
    assert end - start == pytest.approx(2)
    assert start <= page.time <= end


def test_a_click_seeks(page: Page) -> None:
    page.show(1000, 100)
    mouse = page.mouse()
    mouse.pointer_action.move_to_location(*page.place(1030)).click()
    mouse.perform()
    page.until(lambda: abs(page.time - 1030) < 0.2)


def test_keys_seek_and_zoom(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    page("window.novaspeech.seek(100)")
    for keys, expected in (
        ((Keys.ARROW_RIGHT,), 101),
        ((Keys.ARROW_LEFT,), 100),
        ((Keys.END,), SECONDS),
        ((Keys.HOME,), 0),
    ):
        page.press(*keys)
        page.until(lambda expected=expected: abs(page.time - expected) < 0.1)
    assert page.view == (0, 60)
    page.press("+")
    assert page.view == (0, 30)
    page.press("-")
    assert page.view == (0, 60)
    page.press("0")
    assert page.view == (0, SECONDS)


def test_a_drag_scrolls(page: Page) -> None:
    page.show(1000, 100)
    x, y = page.place(1050)
    start, _ = page.view
    mouse = page.mouse()
    pointer = mouse.pointer_action
    pointer.move_to_location(x, y).pointer_down().move_to_location(x - 150, y).move_to_location(x - 300, y).pointer_up()
    mouse.perform()
    page.until(lambda: page.view[0] > start + 5)


def test_every_word_of_an_hour_is_shown(page: Page) -> None:
    seen: set[str] = set()
    for start in range(0, SECONDS, 60):
        page.show(start, 60.5)
        seen |= set(page.source("segments", 0)["name"])
    assert seen == {f"w{number}" for number in range(WORDS)}
    page.show(1000, 4)
    assert set(page.source("segments", 0)["label"]) >= {f"w{number}" for number in range(2501, 2509)}


def test_peaks_and_gaps_of_curves_stay_at_any_zoom(page: Page) -> None:
    for start, length in ((0, SECONDS), (90, 40), (105, 5)):
        page.show(start, length)
        drawn = page.source("curves", 0)
        inside = [
            (t, y) for t, y in zip(drawn["t"], drawn["y"], strict=True) if 100 < t < 120 and start < t < start + length
        ]
        assert inside
        assert all(y is None for _, y in inside[1:-1]), "NaN is None here"
    page.show(0, SECONDS)
    drawn = page.source("curves", 0)
    lows, highs = ([y for y in drawn[end] if y is not None] for end in ("low", "high"))
    assert (min(lows), max(highs)) == (pytest.approx(0.1, abs=1e-3), pytest.approx(0.9, abs=1e-3))
    means = [y for y in drawn["y"] if y is not None]
    assert max(means) - min(means) < 0.7, "far out a curve is the mean of what one place holds"


def test_confidences_are_told_where_the_mouse_is(page: Page) -> None:
    page.show(1000, 8)
    panel = page(
        "const n = window.novaspeech, m = n.model(n.data.segments[0].panel);"
        "return Bokeh.index.find_one(m).el.getBoundingClientRect().top"
    )
    x, _ = page.place(1002.1)  # within w2505
    mouse = page.mouse()
    mouse.pointer_action.move_to_location(x - 3, round(panel + 20)).move_to_location(x, round(panel + 22))
    mouse.perform()
    told = (
        "const texts = []; const walk = (root) => { for (const e of root.querySelectorAll('*')) {"
        "if (e.classList.contains('bk-Tooltip')) texts.push(e.innerText || (e.shadowRoot && e.shadowRoot.textContent));"
        "if (e.shadowRoot) walk(e.shadowRoot) } }; walk(document); return texts.join(' ')"
    )
    page.until(lambda: "w2505" in page(told))
    assert "0.75" in page(told)


def test_a_map_is_brushed_with_the_time_line(page: Page) -> None:
    page("document.querySelector('#fold [data-panel=maps]').click()")
    page.show(600, 60)
    map_of = "const n = window.novaspeech, map = n.data.maps[0], s = n.model(map.source);"
    alphas, times = page(f"{map_of} return [s.data.alpha, s.data.t]")
    assert {alpha > 0.5 for alpha, t in zip(alphas, times, strict=True) if 600 <= t <= 660} == {True}
    assert {alpha > 0.5 for alpha, t in zip(alphas, times, strict=True) if not 600 <= t <= 660} == {False}
    page(f"{map_of} s.selected.indices = [500, 501]")
    marks = page(f"{map_of} return n.model(map.marks).data")
    assert [(a + b) / 2 for a, b in zip(marks["left"], marks["right"], strict=True)] == pytest.approx(times[500:502])
    assert page("return document.getElementById('chosen').textContent") == "2 of 3000 moments are marked above"
    page("const c = document.getElementById('colouring'); c.value = 'keywords'; c.onchange()")
    colours = page(f"{map_of} return s.data.colour")
    for colour, t in zip(colours, times, strict=True):
        inside = t % 60 < 19.9
        assert (colour != "#999999") == inside or 19.9 < t % 60 < 20.1
    page("window.novaspeech.seek(605)")
    page.until(lambda: bool(page(f"{map_of} return n.model(map.now).data.x.length")))
    near = int(np.argmin(np.abs(np.array(times) - 605)))
    assert page(f"{map_of} return n.model(map.now).data.x[0] === s.data.x[{near}]")


def test_dark_and_light(page: Page) -> None:
    look = (
        "const f = Bokeh.documents.flatMap((d) => [...d.all_models]).find((m) => m.name === 'panel');"
        "return [getComputedStyle(document.body).backgroundColor, f.background_fill_color]"
    )
    light = page(look)
    page.press("d")
    dark = page(look)
    assert light[0] == "rgb(255, 255, 255)"
    assert dark[0] == "rgb(22, 24, 28)"
    assert light[1] != dark[1]
    page.press("d")
    assert page(look) == light
