import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from novaspeech.server import progress
from novaspeech.server.progress import LogProgress


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of the log's clock, to be set; no server asks for the progress."""
    monkeypatch.delenv("DISCOVER_JOB_KEY", raising=False)
    seconds = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: seconds[0])
    return seconds


def test_a_line_every_few_seconds_and_one_at_the_end(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    report = LogProgress("session_1")
    for seconds, completed in ((1, 10), (5, 50), (6, 60), (7, 70), (100, 1000)):
        now[0] = 100 + seconds
        report(completed, 1000)
    assert capsys.readouterr().out.splitlines() == [
        "session_1: 50 of 1000 windows (5%), 10.0 windows/s, 1:35 left",
        "session_1: 1000 of 1000 windows (100%), 10.0 windows/s, 0:00 left",
    ]


def test_reading_is_the_first_part(now: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    report = LogProgress("session_1")
    for seconds, read, total in ((1, 60_000, 600_000), (6, 300_000, 600_000), (12, 900_000, 0)):
        now[0] = 100 + seconds
        report.reading(read, total)
    now[0] = 122
    report(100, 1000)
    assert capsys.readouterr().out.splitlines() == [
        "session_1: 300 s are read (50%)",
        "session_1: 900 s are read",
        "session_1: 100 of 1000 windows (10%), 10.0 windows/s, 1:30 left",
    ]


class Receiver(BaseHTTPRequestHandler):
    received: list[dict[str, str]]

    def do_POST(self) -> None:
        assert self.path == "/api/update_progress"
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class QuietServer(HTTPServer):
    def handle_error(self, *arguments: object) -> None:
        """Says nothing of handshakes that the other side breaks off."""


@contextmanager
def receiver(
    monkeypatch: pytest.MonkeyPatch, host: str, certificate: Path | None = None
) -> Iterator[list[dict[str, str]]]:
    """What reaches a server on loopback that the environment calls `host`, as DISCOVER tells its jobs."""
    Receiver.received = []
    with QuietServer(("127.0.0.1", 0), Receiver) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DISCOVER_JOB_KEY", "job")
        monkeypatch.setenv("DISCOVER_HOST", host)
        monkeypatch.setenv("DISCOVER_PORT", str(server.server_address[1]))
        monkeypatch.setenv("DISCOVER_USE_TLS", "true" if certificate else "")
        yield Receiver.received
        server.shutdown()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As DISCOVER recommends to make one for a server that it calls 203.0.113.7."""
    place = tmp_path_factory.mktemp("certificate") / "server.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:203.0.113.7"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", str(place.with_suffix(".key"))]
    command += ["-out", str(place), "-days", "2", "-nodes", "-subj", "/CN=203.0.113.7", "-addext", names]
    subprocess.run(command, check=True, capture_output=True)
    return place


@pytest.mark.parametrize(
    ("host", "tls"), [("0.0.0.0", False), ("0.0.0.0", True), ("localhost", True), ("127.0.0.1", True)]
)
def test_discovers_progress_field_where_on_loopback_a_certificate_that_nobody_signed_does(
    monkeypatch: pytest.MonkeyPatch, certificate: Path, host: str, tls: bool
) -> None:
    with receiver(monkeypatch, host, certificate if tls else None) as received:
        LogProgress("session_1")(4, 4)
    assert received == [{"job_key": "job", "progress": "session_1 100%"}]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address that is none of this machine's, but leads here."""
    connect = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda address, *rest, **more: connect(("127.0.0.1", address[1]), *rest, **more)
    )
    return "203.0.113.7"


def test_elsewhere_the_servers_own_certificate_is_trusted_and_no_other(
    monkeypatch: pytest.MonkeyPatch, certificate: Path, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiver(monkeypatch, elsewhere, certificate) as received:
        monkeypatch.delenv("DISCOVER_SSL_CERT", raising=False)
        LogProgress("session_1")(4, 4)
        assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().out
        assert received == []
        monkeypatch.setenv("DISCOVER_SSL_CERT", str(certificate))
        LogProgress("session_1")(4, 4)
        assert received == [{"job_key": "job", "progress": "session_1 100%"}]
        # A certificate that is not there says so once, and the job goes on.
        monkeypatch.setenv("DISCOVER_SSL_CERT", str(certificate.with_name("gone.pem")))
        LogProgress("session_1")(4, 4)
        assert "the server's progress field cannot be set" in capsys.readouterr().out
        assert len(received) == 1


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
