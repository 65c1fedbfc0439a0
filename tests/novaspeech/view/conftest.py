"""An hour's page, open in Chromium."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from novaspeech.formats.track import Track, Tracks
from novaspeech.segments import Segment
from novaspeech.view.page import write_page

SECONDS = 3600
RATE = 16_000
WORDS = 9_000
STEP = 0.04
THRESHOLD = 0.25


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Tracks:
    """An hour with a word every 400 ms, scores with a gap, keywords, and embeddings that go round in a minute."""
    audio = tmp_path_factory.mktemp("hour") / "hour & <more>.flac"
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(audio, "w", RATE, 1) as file:
        for minute in range(SECONDS // 60):
            times = minute * 60 + np.arange(60 * RATE) / RATE
            file.write(0.3 * np.sin(2 * np.pi * 300 * times) * (times % 0.4 < 0.3))
    count = round(SECONDS / STEP)
    times = np.stack([np.arange(count), np.arange(count) + 1], axis=1) * STEP
    scores = (0.5 + 0.4 * np.sin(times[:, 0] / 5)).astype(np.float32)
    scores[2500:3000] = np.nan  # 100 to 120 s
    angle = 2 * np.pi * times[:, 0] / 60
    vectors = np.stack([np.cos(angle), 0.8 * np.sin(angle), *rng.normal(0, 0.01, (6, count))], axis=1)
    words = [Segment(400 * n, 400 * n + 300, f"w{n}", 0.25 + 0.5 * (n % 2)) for n in range(WORDS)]
    places = [Segment(60_000 * n, 60_000 * n + 20_000, ("money", "time")[n % 2], 0.75) for n in range(60)]
    return Tracks(
        audio.stem, audio, SECONDS,
        (
            Track("arousal", "scores", times, scores),
            Track("score", "scores", times, np.float32(1) - scores),
            Track.of_segments("words", words),
            Track.of_segments("keywords", places, ["money", "time"]),
            Track("embeddings", "vectors", times, vectors.astype(np.float32)),
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    switches = ["headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1400,1500"]
    for switch in [*switches, "force-prefers-color-scheme=light"]:
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = shutil.which("chromium") or ""
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


class Page:
    """A page that is open."""

    def __init__(self, browser: Any, file: Path) -> None:
        self.browser = browser
        browser.get(file.as_uri())
        self.until(lambda: self("return document.documentElement.dataset.ready") == "yes")

    def __call__(self, script: str, *arguments: object) -> Any:
        return self.browser.execute_script(script, *arguments)

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < end, "it did not come to be so within 30 s"
            time.sleep(0.05)

    def settle(self) -> None:
        """Waits until what is in view is drawn."""
        self.browser.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0)))"
        )

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()
        self.settle()

    @property
    def view(self) -> tuple[float, float]:
        start, end = self("return window.novaspeech.range()")
        return start, end

    @property
    def time(self) -> float:
        return float(self("return document.getElementById('player').currentTime"))

    def show(self, start: float, length: float) -> None:
        self("window.novaspeech.show(arguments[0], arguments[1])", start, length)
        self.settle()

    def source(self, kind: str, number: int) -> dict[str, list[Any]]:
        """What Bokeh draws of a curve or of segments."""
        script = "const n = window.novaspeech; return n.model(n.data[arguments[0]][arguments[1]].source).data"
        found: dict[str, list[Any]] = self(script, kind, number)
        return found

    def place(self, seconds: float) -> tuple[int, int]:
        """Where in the window a time is, in the waveform."""
        start, end = self.view
        left, top, wide = self(
            "const p = Bokeh.documents.flatMap((d) => [...d.all_models]).find((m) => m.name === 'panel');"
            "const box = document.getElementById('times').getBoundingClientRect();"
            "return [box.left + p.outer_width - p.inner_width - p.min_border_right, box.top + 52 + 32, p.inner_width]"
        )
        return round(left + wide * (seconds - start) / (end - start)), round(top)

    def mouse(self) -> Any:
        from selenium.webdriver.common.action_chains import ActionBuilder

        return ActionBuilder(self.browser, duration=50)


@pytest.fixture(scope="module")
def file(hour: Tracks) -> Path:
    assert hour.audio is not None
    page = hour.audio.with_name("page.html")
    write_page(hour, page, {"score": THRESHOLD})
    return page


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Page]:
    """The hour's page; whatever a test does with it, the browser complains of nothing."""
    browser.get_log("browser")
    yield Page(browser, file)
    complaints = [entry["message"] for entry in browser.get_log("browser") if entry["level"] != "INFO"]
    assert complaints == []
