"""Progress of a job: log lines and the server's progress field. Inference knows only the hook `(completed, total)`."""

from __future__ import annotations

import ipaddress
import json
import os
import ssl
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from time import monotonic

SECONDS_BETWEEN_REPORTS = 5.0


def print_line(message: str) -> None:
    """A line in the job's log, which is a server's standard output."""
    print(message, flush=True)


class LogProgress:
    """Writes a log line every few seconds, and the percentage into DISCOVER's list of jobs."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._started = self._reported = monotonic()
        self._post: Callable[[str], None] | None = _discover_field()

    def __call__(self, completed: int, total: int) -> None:
        speed = completed / max(monotonic() - self._started, 1e-9)
        left = (total - completed) / max(speed, 1e-9)
        self._say(
            completed >= total,
            f"{completed} of {total} windows ({completed / total:.0%}), {speed:.1f} windows/s, "
            f"{left // 60:.0f}:{left % 60:02.0f} left",
            f"{completed / total:.0%}",
        )

    def reading(self, completed: int, total: int) -> None:
        """The same of the milliseconds that are read before; a total of 0 is unknown."""
        share = f" ({min(1, completed / total):.0%})" if total else ""
        self._say(False, f"{completed / 1000:.0f} s are read{share}", f"reading{share}")
        self._started = monotonic()

    def _say(self, last: bool, line: str, field: str) -> None:
        now = monotonic()
        if now - self._reported < SECONDS_BETWEEN_REPORTS and not last:
            return
        self._reported = now
        print_line(f"{self._session}: {line}")
        if self._post:
            try:
                self._post(f"{self._session} {field}")
            except (OSError, HTTPException, ValueError) as error:
                print_line(f"the server's progress field cannot be set ({error}); see this log instead")
                self._post = None


def _discover_field() -> Callable[[str], None] | None:
    """Sets the progress of this job at DISCOVER, if it started us and said how (its venv backend does)."""
    key = os.environ.get("DISCOVER_JOB_KEY")
    if not key:
        return None
    host = os.environ.get("DISCOVER_HOST", "localhost").replace("0.0.0.0", "localhost")
    scheme = "https" if os.environ.get("DISCOVER_USE_TLS", "").lower() == "true" else "http"
    place = f"[{host}]" if ":" in host else host
    url = f"{scheme}://{place}:{os.environ.get('DISCOVER_PORT', '8080')}/api/update_progress"

    def post(text: str) -> None:
        body = json.dumps({"job_key": key, "progress": text}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        context = _trust(host) if scheme == "https" else None
        urllib.request.urlopen(request, timeout=1, context=context).close()

    return post


def _trust(host: str) -> ssl.SSLContext:
    """Certificates that DISCOVER's is held against, which is self-signed as a rule.

    On this machine there is nobody to pose as the server, so any certificate does. Elsewhere it must be the one that
    the server itself names, if it names one (its default place is in a package that jobs do not have), or one that
    the system trusts.
    """
    context = ssl.create_default_context(cafile=None if _is_loopback(host) else os.environ.get("DISCOVER_SSL_CERT"))
    if _is_loopback(host):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
