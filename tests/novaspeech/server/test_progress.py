from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from novaspeech.server import progress
from novaspeech.server.progress import LogProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return iter([now])  # type: ignore[return-value]


def test_a_line_every_few_seconds_and_one_at_the_end(
    clock: Iterator[list[float]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISCOVER_JOB_KEY", raising=False)
    [now] = clock
    report = LogProgress("session_1")
    for seconds, completed in ((1, 10), (5, 50), (6, 60), (7, 70), (100, 1000)):
        now[0] = 100 + seconds
        report(completed, 1000)
    assert capsys.readouterr().out.splitlines() == [
        "session_1: 50 of 1000 windows (5%), 10.0 windows/s, 1:35 left",
        "session_1: 1000 of 1000 windows (100%), 10.0 windows/s, 0:00 left",
    ]


def test_discovers_progress_field(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[dict[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/api/update_progress"
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DISCOVER_JOB_KEY", "job")
        monkeypatch.setenv("DISCOVER_HOST", "0.0.0.0")
        monkeypatch.setenv("DISCOVER_PORT", str(server.server_address[1]))
        LogProgress("session_1")(4, 4)
        server.shutdown()
    assert received == [{"job_key": "job", "progress": "session_1 100%"}]


def test_a_server_that_does_not_answer_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISCOVER_JOB_KEY", "job")
    monkeypatch.setenv("DISCOVER_HOST", "127.0.0.1")
    monkeypatch.setenv("DISCOVER_PORT", "9")
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_REPORTS", 0)
    report = LogProgress("session_1")
    for completed in (1, 2, 3):
        report(completed, 3)
    assert capsys.readouterr().out.count("the server's progress field cannot be set") == 1
