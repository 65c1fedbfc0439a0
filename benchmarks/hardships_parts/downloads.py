"""Two processes that fetch one file from a loopback site at once, well served, badly served, or killed meanwhile."""

from __future__ import annotations

import hashlib
import io
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

from benchmarks.hardships_parts.base import Kind, Problem, Section, World, age, files_below
from benchmarks.hardships_parts.child import Child, Ended

SIZE = 3_000_000
SILENCE = 3  # seconds after which a child gives up; the package's own patience would take a minute
LIMIT = 60.0
GOOD = ("plain", "zip", "slow", "no length", "killed")
BAD = ("cut", "wrong", "stalls", "missing", "evil zip", "redirected")


def fetch(url: str, digits: str, archive: bool) -> tuple[str, str]:
    """Fetches as a trainer's <uri> is; in a child. The path and "", or "" and the message."""
    from huggingface_hub import constants

    from novaspeech.errors import WeightsError
    from novaspeech.models import downloads

    constants.HF_HUB_OFFLINE = False  # of this campaign, not of this site
    downloads.TIMEOUT = SILENCE
    uri = SimpleNamespace(uri_url=url, uri_hash=f"sha256:{digits}", uri_tar=archive)
    try:
        return str(downloads.fetch(uri)), ""
    except WeightsError as error:
        return "", str(error) or "(no message)"


class _Site(BaseHTTPRequestHandler):
    """Serves `content` in the `way` that is set."""

    content = b""
    way = ""

    def do_GET(self) -> None:
        way, body = type(self).way, type(self).content
        if way == "redirected":
            self.send_response(302)
            self.send_header("Location", "http://192.0.2.1/elsewhere")  # an address for examples, which is nobody's
            self.end_headers()
            return
        self.send_response(404 if way == "missing" else 200)
        if way != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[: len(body) // 2] if way in ("cut", "stalls") else body
        body = bytes(len(body)) if way == "wrong" else body
        pause = 0.02 if way in ("slow", "killed") else 0.0
        try:
            for start in range(0, len(body), 100_000):
                self.wfile.write(body[start : start + 100_000])
                time.sleep(pause)
            time.sleep(3 * SILENCE if way == "stalls" else 0)
        except OSError:
            pass  # whoever fetched has gone

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class's name)
        pass


class Downloads(Section):
    """Each trial is one file, fetched by two at once, and by a third one when the site is well again."""

    name = "downloads"
    count = 33

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._stayed = 0

    def __enter__(self) -> Section:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def try_one(self, index: int) -> list[Problem]:
        way = (*GOOD, *BAD)[index % len(GOOD + BAD)]
        chance = self.world.random(self.name, index)
        body, inside = chance.randbytes(SIZE), {"file": chance.randbytes(SIZE)}
        archive = way in ("zip", "evil zip") or (way in ("cut", "killed") and chance.random() < 0.5)
        _Site.content = _zip({"../out": b"evil", **inside} if way == "evil zip" else inside) if archive else body
        _Site.way = way
        children = self._start(index, archive, 2)
        if way == "killed":
            time.sleep(chance.uniform(0, 1.5))
            children[0].kill()
        ended = [child.wait(LIMIT) for child in children]
        problems = self._judge(way, ended, self._wanted(archive, body, inside), index)
        if way != "evil zip":
            _Site.way = "plain"
            problems += self._third(way, index, archive, self._wanted(archive, body, inside))
        return problems

    def finish(self, tried: int) -> list[Problem]:
        # A fetch cannot know whether another one, on another machine perhaps, still lives.
        self.notes.append(f"downloads: of {self._stayed} kills the partial file was there until a fetch two days later")
        return []

    def _start(self, index: int, archive: bool, count: int) -> list[Child]:
        url = f"http://127.0.0.1:{self._server.server_address[1]}/{index}/model.zip"
        digits = hashlib.sha256(_Site.content).hexdigest()
        places = {"HF_ASSETS_CACHE": str(self.folder / f"assets {index}")}
        scratch = self.folder / "scratch"
        return [
            Child(fetch, url, digits, archive, folder=scratch / f"{index} {count} {number}", environment=places)
            for number in range(count)
        ]

    def _wanted(self, archive: bool, body: bytes, inside: dict[str, bytes]) -> set[bytes]:
        return set(inside.values()) if archive else {body}

    def _judge(self, way: str, ended: list[Ended], wanted: set[bytes], index: int) -> list[Problem]:
        """What is wrong with two fetches at once, and with what is in the cache after them."""
        problems = []
        for number, one in enumerate(ended):
            if way == "killed" and not number:
                continue
            problems += one.problems(f"{way}")
            path, said = one.value or ("", "")
            if way in GOOD and one.code == 0 and not path:
                problems.append(Problem(Kind.REFUSED, f"{way}: {said[:300]}"))
            if way in BAD and path:
                problems.append(Problem(Kind.WRONG, f"{way}: fetched all the same: {path}"))
            if "\n" in said:
                problems.append(Problem(Kind.MESSAGE, f"{way}: more than one line: {said[:300]!r}"))
        files = files_below(self.folder / f"assets {index}")
        partial = [name for name in files if "partial-" in name]
        whole = {content for name, content in files.items() if "partial-" not in name}
        if partial and way != "killed":
            problems.append(Problem(Kind.LEFT, f"{way}: left behind: {partial[:3]}"))
        if whole - wanted:
            problems.append(Problem(Kind.HALF, f"{way}: the cache holds something else than the file"))
        return problems

    def _third(self, way: str, index: int, archive: bool, wanted: set[bytes]) -> list[Problem]:
        """What is wrong with a fetch when the site is well again, and with one two days later."""
        problems, cache = [], self.folder / f"assets {index}"
        for days in (0, 2):
            [ended] = [child.wait(LIMIT) for child in self._start(index, archive, 1)]
            problems += ended.problems(f"{way}, then well served")
            files = files_below(cache)
            if not wanted <= set(files.values()) or not (ended.value and ended.value[0]):
                problems.append(Problem(Kind.REFUSED, f"{way}, then well served: {ended.value}"))
            partial = [path for path in cache.rglob("partial-*") if path.is_dir()]
            if not partial:
                break
            self._stayed += days == 0
            if days:
                problems.append(Problem(Kind.LEFT, f"{way}: two days and a fetch later there still is {partial}"))
            for path in partial:
                age(path)
        return problems


def _zip(content: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return made.getvalue()
