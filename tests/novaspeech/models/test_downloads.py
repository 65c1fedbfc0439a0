"""`<uri>` downloads from a real HTTP server on loopback; it plays Zenodo's part, too, which cannot be had here."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from discover_utils.utils.ssi_xml_utils import URI

from novaspeech import saving
from novaspeech.errors import WeightsError
from novaspeech.models import downloads
from novaspeech.models.downloads import fetch
from tests.conftest import Site


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HF_ASSETS_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return tmp_path / "home" / "assets" / "novaspeech"


def md5(content: bytes) -> str:
    return "md5:" + hashlib.md5(content, usedforsecurity=False).hexdigest()


def make_zip(path: Path, **files: str) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path.read_bytes()


def left(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_is_fetched_once(site: str, cache: Path, algorithm: str) -> None:
    Site.files["/a.bin"] = b"weights" * 1000
    uri = URI("a", f"{site}/a.bin", f"{algorithm}:{hashlib.new(algorithm, Site.files['/a.bin']).hexdigest().upper()}")
    said: list[str] = []
    first, second = fetch(uri, said.append), fetch(uri, said.append)
    assert first == second
    assert first.read_bytes() == Site.files["/a.bin"]
    assert first.is_relative_to(cache)
    assert Site.asked == ["/a.bin"]
    assert said == [f"fetching {site}/a.bin (0.0 MB) into {first.parent}"]
    assert left(cache) == [first]


def test_an_archive_is_unpacked(site: str, cache: Path, tmp_path: Path) -> None:
    Site.files["/m.1.zip"] = make_zip(tmp_path / "m.zip", **{"model/model.onnx": "x", "model/model.yaml": "y"})
    folder = fetch(URI("a", f"{site}/m.1.zip", md5(Site.files["/m.1.zip"]), True))
    assert (folder / "model" / "model.onnx").read_text() == "x"
    assert fetch(URI("a", f"{site}/m.1.zip", md5(Site.files["/m.1.zip"]), True)) == folder
    assert {file.name for file in left(cache)} == {"model.onnx", "model.yaml"}


def test_the_id_that_git_gives_a_file(site: str, cache: Path, tmp_path: Path) -> None:
    Site.files["/a.pth"] = b"weights" * 300_000
    (tmp_path / "a.pth").write_bytes(Site.files["/a.pth"])
    command = ["git", "hash-object", "--no-filters", str(tmp_path / "a.pth")]
    blob = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert fetch(URI("a", f"{site}/a.pth", f"git:{blob}")).read_bytes() == Site.files["/a.pth"]
    with pytest.raises(WeightsError, match=f"has the git id {blob}, 00ff is expected.*not opened and is deleted"):
        fetch(URI("a", f"{site}/a.pth", "git:00ff"))
    assert len(left(cache)) == 1


def test_the_hash_of_zenodos_record(site: str) -> None:
    path = "/record/42/files/m.bin"
    Site.files[path] = b"weights"
    listed = [{"key": "other.bin", "checksum": "md5:0"}, {"key": "m.bin", "checksum": md5(b"weights")}]
    Site.files["/api/records/42"] = json.dumps({"files": listed}).encode()
    assert fetch(URI("a", site + path, "zenodo")).read_bytes() == b"weights"
    assert Site.asked == ["/api/records/42", path]


@pytest.mark.parametrize("archive", [True, False])
def test_a_wrong_hash_opens_nothing_and_leaves_nothing(
    site: str, cache: Path, tmp_path: Path, archive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("opened")

    Site.files["/m.zip"] = make_zip(tmp_path / "m.zip", a="x")
    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    with pytest.raises(WeightsError, match=r"has the md5 [0-9a-f]{32}, 00ff is expected.*not opened and is deleted"):
        fetch(URI("a", f"{site}/m.zip", "md5:00FF", archive))
    assert not left(cache)


@pytest.mark.parametrize("name", ["../climbed", "a/../../climbed", "/climbed", "..\\climbed", "C:/climbed"])
def test_a_zip_does_not_climb_out_of_its_folder(site: str, tmp_path: Path, name: str) -> None:
    Site.files["/m.zip"] = make_zip(tmp_path / "m.zip", **{"model.onnx": "x", name: "y"})
    folder = fetch(URI("a", f"{site}/m.zip", md5(Site.files["/m.zip"]), True))
    assert [path.is_relative_to(folder) for path in tmp_path.rglob("*climbed")] == [True]


@pytest.mark.parametrize(
    ("path", "stated", "message"),
    [
        ("/missing.bin", "md5:00", "cannot be fetched (HTTP Error 404"),
        ("/cut.bin", md5(b"weights"), "is expected: damaged on its way"),
        ("/text.zip", md5(b"weights"), "cannot be fetched (File is not a zip file)"),
        ("/a.bin", "", "its hash '' is none of md5:…, sha256:…, git:…"),
        ("/a.bin", "crc32:00", "its hash 'crc32:00' is none of"),
        ("/a.bin", "zenodo", "the address names no record"),
        ("/record/1/files/a.bin", "zenodo", "HTTP Error 404"),
        ("/record/2/files/a.bin", "zenodo", "cannot be fetched (Expecting value"),
        ("/record/5/files/a.bin", "zenodo", "its hash '' is none of md5:…"),
        ("/record/6/files/a.bin", "zenodo", "cannot be fetched ('checksum')"),
        ("/a.bin", "x" * 10**6, "xxx… is none of md5:…"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_leaves_nothing(
    site: str, cache: Path, path: str, stated: str, message: str
) -> None:
    Site.files |= dict.fromkeys(["/cut.bin", "/text.zip", "/a.bin"], b"weights")
    answers = {2: "no JSON", 5: '{"files": []}', 6: '{"files": [{"key": "a.bin"}]}'}
    Site.files |= {f"/api/records/{number}": answer.encode() for number, answer in answers.items()}
    with pytest.raises(WeightsError) as caught:
        fetch(URI("a", site + path, stated, path.endswith("zip")))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not left(cache)


def test_an_answer_that_ends_half_way(site: str, cache: Path) -> None:
    Site.files["/api/records/7"], Site.cut = b'{"files": []}', "/api"
    with pytest.raises(WeightsError, match=r"cannot be fetched \(IncompleteRead"):
        fetch(URI("a", f"{site}/record/7/files/a.bin", "zenodo"))
    assert not left(cache)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.bin", "file:///etc/passwd", "ftp://example.org/a.bin", "file://localhost/etc/passwd",
        "ftp://localhost/a.bin", "file://127.0.0.1/etc/passwd",
    ],
)  # fmt: skip
def test_only_https_leaves_the_machine(url: str) -> None:
    with pytest.raises(WeightsError, match="only https is fetched"):
        fetch(URI("a", url, "md5:00"))


@pytest.mark.parametrize("fetched", [False, True], ids=["fetched anew", "fetched by another"])
def test_leftovers_of_a_killed_job_go(site: str, cache: Path, fetched: bool) -> None:
    Site.files["/a.bin"] = b"weights"
    uri = URI("a", f"{site}/a.bin", md5(b"weights"))
    file = fetch(uri)
    if not fetched:
        file.unlink()
    for name, age in ((".novaspeech-old", 2), (".novaspeech-new", 0)):
        (file.parent / name).mkdir()
        os.utime(file.parent / name, (time.time() - age * 24 * 3600,) * 2)
    saving._sweep.cache_clear()
    fetch(uri)  # as in another process
    assert sorted(path.name for path in file.parent.iterdir()) == [".novaspeech-new", "a.bin"]


def test_offline_asks_nothing(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set.*write PLACE in the option 'model'"):
        fetch(URI("a", f"{site}/a.bin", "md5:00"))
    assert not Site.asked


class Answers(BaseHTTPRequestHandler):
    """What no honest server does, by path."""

    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", f"http://[::1]:{self.server.server_address[1]}/elsewhere")  # type: ignore[attr-defined]
            self.end_headers()
            return
        self.send_response(200)
        if self.path != "/endless":
            self.send_header("Content-Length", "20000000001" if self.path == "/large" else "1000")
        self.end_headers()
        with contextlib.suppress(OSError):  # the client hangs up
            self.wfile.write(b"x" * (3000 if self.path == "/endless" else 1))
            for _ in range(100 if self.path == "/silent" else 0):
                time.sleep(0.05)
                self.wfile.write(b"")

    def log_message(self, *arguments: object) -> None:
        pass


class Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(downloads, "TIMEOUT", 0.3)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/large", "it has 20.0 GB, more than the 20 GB that are fetched"),
        ("/silent", "timed out"),
    ],
)
def test_too_large_or_silent(strange: str, cache: Path, path: str, message: str) -> None:
    start = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        fetch(URI("a", strange + path, "md5:00"))
    assert message in str(caught.value)
    assert "write PLACE in the option 'model'" in str(caught.value)
    assert time.monotonic() - start < 3
    assert not left(cache)


def test_what_is_larger_than_a_server_says_is_cut_short(
    strange: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "LARGEST", 2000)
    said: list[str] = []
    with pytest.raises(WeightsError, match=r"it has 0\.0 MB, more than"):
        fetch(URI("a", f"{strange}/endless", "md5:00"), said.append)
    assert "of a size that the server does not state" in said[0]
    assert not left(cache)


def test_a_redirection_to_where_https_does_not_lead(strange: str, cache: Path) -> None:
    """To loopback's other name, which stands for any other machine here."""
    try:
        server = Server6(("::1", int(strange.rsplit(":", 1)[1])), Answers)
    except OSError:
        pytest.skip("no IPv6 here")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    with pytest.raises(WeightsError, match="only https is fetched"):
        fetch(URI("a", f"{strange}/away", "md5:" + hashlib.md5(b"x", usedforsecurity=False).hexdigest()))
    server.shutdown()
    server.server_close()
    assert not left(cache)


def test_a_zip_that_is_larger_than_it_looks(
    site: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.onnx", b" " * 10_000_000)
    Site.files["/m.zip"] = (tmp_path / "m.zip").read_bytes()
    monkeypatch.setattr(downloads, "LARGEST", 1_000_000)
    with pytest.raises(WeightsError, match=r"would unpack to 10\.0 MB, more than 20 GB; nothing was unpacked"):
        fetch(URI("a", f"{site}/m.zip", md5(Site.files["/m.zip"]), True))
    assert not left(cache)
