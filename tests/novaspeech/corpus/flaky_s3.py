"""A server that speaks S3 (moto), of whose answers some fail, on a free port of the loopback address."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Flaky:
    """An application that answers some requests with 503, as S3 does when it is busy.

    Attributes:
        share: of the answers that fail, 0 to 1.
        failed: how many did.
    """

    def __init__(self, share: float) -> None:
        self.share, self.failed = share, 0
        self._answer = DomainDispatcherApplication(create_backend_app)
        self._chance = random.Random(0)  # noqa: S311 - nobody is to be kept from guessing
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            fails = self._chance.random() < self.share
            self.failed += fails
        if not fails:
            answer: Iterable[bytes] = self._answer(environ, start)
            return answer
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start("503 Slow Down", [("Content-Type", "application/xml")])
        return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]


class _Quiet(WSGIRequestHandler):
    def log(self, *more: object) -> None:
        pass


@contextmanager
def flaky_s3(share: float) -> Iterator[tuple[str, Flaky]]:
    """Inside, the server runs; gives its address."""
    application = Flaky(share)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", application
    finally:
        server.shutdown()
        thread.join()
