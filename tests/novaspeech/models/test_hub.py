"""Fetching from the Hub, by the Hub's own client, from a server on loopback that plays the Hub."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from novaspeech.errors import WeightsError
from novaspeech.models import hub, weights
from w2v_bert_2.w2v_bert_2 import W2VBert2

COMMIT = "c" * 40
TYPES = ["wav2vec2-bert"]


class Hub(BaseHTTPRequestHandler):
    """Serves `files` as the model owner/name; `sizes` are what it states of them, if not the truth."""

    files: dict[str, bytes]
    sizes: dict[str, int]
    taken: list[str]
    cut: set[str]  # files of which half is sent, once
    ranges: list[str]  # that were asked for

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        size = {name: self.sizes.get(name, len(content)) for name, content in self.files.items()}
        if path.startswith("/api/models/owner/name/tree"):
            blobs = {name: hashlib.sha1(content).hexdigest() for name, content in self.files.items()}  # noqa: S324
            self._answer([{"type": "file", "path": name, "size": size[name], "oid": blobs[name]} for name in size])
        elif path.startswith("/api/models/owner/name"):
            siblings = [{"rfilename": name, "size": size[name]} for name in size]
            self._answer({"id": "owner/name", "sha": COMMIT, "siblings": siblings})
        else:
            self._file(path.rsplit(f"{COMMIT}/", 1)[-1])

    do_HEAD = do_GET  # noqa: N815 (http.server's name)

    def _answer(self, content: object) -> None:
        self._send(200, json.dumps(content).encode())

    def _file(self, name: str) -> None:
        content = self.files.get(name)
        if self.command == "GET":
            self.taken.append(name)
            if content and (name in self.cut or "Range" in self.headers):
                self._part(name, content)
                return
        self._send(404 if content is None else 200, content or b"")

    def _part(self, name: str, content: bytes) -> None:
        """The rest of a file from where it is asked for, or half of it."""
        first = 0
        if "Range" in self.headers:
            self.ranges.append(self.headers["Range"])
            first = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')  # noqa: S324
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if name in self.cut else content[first:])
        self.cut.discard(name)
        self.close_connection = True

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')  # noqa: S324
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(autouse=True)
def served(small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The small model is owner/name on the Hub, and in no cache."""
    Hub.files = {file.name: file.read_bytes() for file in small_model.iterdir()}
    Hub.files |= {"README.md": b"a model", "pytorch_model.bin": b"the same weights as a pickle"}
    Hub.sizes, Hub.taken, Hub.cut, Hub.ranges = {}, [], set(), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    for name, value in {
        "HF_HUB_OFFLINE": False,
        "ENDPOINT": address,
        "HUGGINGFACE_CO_URL_TEMPLATE": address + "/{repo_id}/resolve/{revision}/{filename}",
    }.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for name in ("HF_HUB_CACHE", "NOVASPEECH_MODELS"):
        monkeypatch.delenv(name, raising=False)
    yield
    server.shutdown()
    server.server_close()


def test_a_model_is_fetched_once_and_found_again_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    folder = weights.model_folder("owner/name", TYPES, said.append)
    assert {file.name for file in folder.iterdir()} >= {"config.json", "model.safetensors", "preprocessor_config.json"}
    assert not {"README.md", "pytorch_model.bin"} & set(Hub.taken)
    assert len(said) == 2
    assert said[0].endswith("or not whole: fetching it from the Hub")
    assert said[1].startswith("owner/name has ")
    Hub.taken.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert hub.cached_folder("owner/name")
    assert weights.model_folder("owner/name", TYPES, said.append) == folder
    assert (len(said), Hub.taken) == (2, [])


def test_a_commit_can_be_named_and_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub.pinned("owner/name") == f"owner/name@{COMMIT}"
    assert not Hub.taken
    folder = weights.model_folder(f"owner/name@{COMMIT}", TYPES, lambda line: None)
    assert folder.name == COMMIT
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert hub.cached_revision(f"owner/name@{COMMIT}") == COMMIT
    assert weights.model_folder(f"owner/name@{COMMIT}", TYPES, lambda line: None) == folder
    assert hub.pinned(f"owner/name@{COMMIT}") == f"owner/name@{COMMIT}"
    with pytest.raises(WeightsError, match="and cannot be fetched"):
        hub.pinned(f"owner/name@{'d' * 40}")


def test_a_connection_that_breaks_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed begins the file anew, in this version of the Hub's client; whole files stay."""
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)  # between its tries
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1024)  # the model is small
    name, content = "model.safetensors", Hub.files["model.safetensors"]
    Hub.cut = {name}
    folder = weights.model_folder("owner/name", TYPES, lambda line: None)
    assert (folder / name).read_bytes() == content
    [asked] = Hub.ranges
    assert 0 <= len(content) // 2 - int(asked.removeprefix("bytes=").split("-")[0]) < 1024


def test_pickles_where_there_is_nothing_else() -> None:
    del Hub.files["model.safetensors"]
    folder = weights.model_folder("owner/name", TYPES, lambda line: None)
    assert (folder / "pytorch_model.bin").read_bytes() == b"the same weights as a pickle"
    assert hub.cached_folder("owner/name")


@pytest.mark.parametrize("model_type", ["llama", None], ids=str)
def test_of_another_architecture_no_weights_are_fetched(model_type: object) -> None:
    Hub.files["config.json"] = json.dumps({"model_type": model_type}).encode()
    with pytest.raises(WeightsError, match=r"holds a .* model; this module needs one of type 'wav2vec2-bert'"):
        weights.model_folder("owner/name", TYPES, lambda line: None)
    assert set(Hub.taken) == {"config.json"}


def test_a_repository_without_a_configuration() -> None:
    del Hub.files["config.json"]
    with pytest.raises(WeightsError, match=r"model 'owner/name' has no config.json on the Hub"):
        weights.model_folder("owner/name", TYPES, lambda line: None)
    assert not Hub.taken


def test_a_model_larger_than_any_speech_encoder_is_not_fetched() -> None:
    Hub.sizes = {"model.safetensors": 30_100_000_000}
    with pytest.raises(WeightsError) as caught:
        weights.model_folder("owner/name", TYPES, lambda line: None)
    assert "model 'owner/name' has 30.1 GB on the Hub, more than the 20 GB that are fetched; copy" in str(caught.value)
    assert set(Hub.taken) == {"config.json"}


@pytest.mark.parametrize(
    ("setting", "published", "fetched"),
    [
        ("any", "a/b", True),
        ("", "a/b", True),
        ("published", "a/b", False),
        ("published", "owner/name", True),
        ("published", "", False),
        ("owner/name", "a/b", True),
        (" a/c, owner/name ", "a/b", True),
        ("owner/other,x/name", "owner/name", False),
        ("published,owner/name", "a/b", True),
    ],
)
def test_which_models_may_be_fetched(
    setting: str, published: str, fetched: bool, monkeypatch: pytest.MonkeyPatch, small_model: Path
) -> None:
    monkeypatch.setenv("NOVASPEECH_MODELS", setting)
    with hub.publishing(published):
        if fetched:
            assert weights.model_folder("owner/name", TYPES, lambda line: None).is_dir()
            monkeypatch.setenv("NOVASPEECH_MODELS", "nobody/nothing")  # what is there already needs no permission
            assert weights.model_folder("owner/name", TYPES, lambda line: None).is_dir()
        else:
            with pytest.raises(WeightsError, match=r"'owner/name' must not be fetched .* NOVASPEECH_MODELS allows"):
                weights.model_folder("owner/name", TYPES, lambda line: None)
            assert not Hub.taken
        assert weights.model_folder(str(small_model), TYPES) == small_model


def test_published_is_the_default_of_the_modules_own_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVASPEECH_MODELS", "published")
    with pytest.raises(WeightsError, match=r"NOVASPEECH_MODELS allows facebook/w2v-bert-2\.0; choose one of these"):
        W2VBert2([], {"model": "owner/name"}, log=lambda line: None)
    with pytest.raises(WeightsError, match=r"'facebook/w2v-bert-2\.0' is not in .* and cannot be fetched"):
        W2VBert2([], {}, log=lambda line: None)
    assert Hub.taken == ["/api/models/facebook/w2v-bert-2.0/revision/main"]
