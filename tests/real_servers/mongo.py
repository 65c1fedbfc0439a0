"""A stand-in for MongoDB, with which the servers' own, unmodified database clients talk.

No MongoDB can be had where these tests run: no package index offers the program. So its wire protocol is spoken here,
as far as the two servers use it, and mongomock holds the documents. What it cannot show: how MongoDB itself behaves,
such as its limits of size and time, its access rights, and its errors.
"""

import base64
import hashlib
import hmac
import os
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bson

Document = dict[str, Any]
Documents = Any  # mongomock's client, which has no types of its own

USER, PASSWORD = "annotator", "open sesame"

_QUERY, _REPLY, _MESSAGE = 2004, 1, 2013
_NOT_FOUND, _UNAUTHORIZED, _WRONG_PASSWORD = 59, 13, 18
_BEFORE_LOGIN = {"hello", "ismaster", "ping", "buildinfo", "saslstart", "saslcontinue", "endsessions"}


class RefusedError(Exception):
    """A command that is answered with an error of MongoDB's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def serve(documents: Documents, certificate: Path | None = None) -> Iterator[int]:
    """The port on loopback where `documents` are served, over TLS with a certificate whose key lies beside it."""
    with _Listener(("127.0.0.1", 0), _Connection) as listener:
        listener.documents = documents
        if certificate:
            listener.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            listener.tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
        threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
        yield listener.server_address[1]
        listener.shutdown()


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    documents: Documents
    tls: ssl.SSLContext | None = None
    lock = threading.Lock()  # mongomock is not made for several threads

    def handle_error(self, *arguments: object) -> None:
        """Says nothing of connections that the other side breaks off, such as one without TLS."""


class _Connection(socketserver.BaseRequestHandler):
    server: _Listener

    def setup(self) -> None:
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self._stream = self.request.makefile("rwb")
        self._login = Login()

    def finish(self) -> None:
        with suppress(OSError):
            self._stream.close()
        self.request.close()

    def handle(self) -> None:
        while len(header := self._stream.read(16)) == 16:
            length, number, _, operation = struct.unpack("<iiii", header)
            payload = self._stream.read(length - 16)
            if operation == _MESSAGE:
                answer = struct.pack("<IB", 0, 0) + bson.encode(self._answer(message_of(payload)))
            elif operation == _QUERY:  # the first words of every client
                answer = struct.pack("<iqii", 0, 0, 0, 1) + bson.encode(self._answer(query_of(payload)))
            else:
                return
            kind = _MESSAGE if operation == _MESSAGE else _REPLY
            self._stream.write(struct.pack("<iiii", len(answer) + 16, 0, number, kind) + answer)
            self._stream.flush()

    def _answer(self, command: Document) -> Document:
        name = next(iter(command))
        try:
            if not self._login.done and name.lower() not in _BEFORE_LOGIN:
                raise RefusedError(_UNAUTHORIZED, f"command {name} requires authentication")
            if name.lower().startswith("sasl"):
                return {**self._login.step(command), "ok": 1.0}
            if name.lower() not in _COMMANDS:
                raise RefusedError(_NOT_FOUND, f"no such command: '{name}'")
            with self.server.lock:
                return {**_COMMANDS[name.lower()](self.server.documents, command), "ok": 1.0}
        except RefusedError as error:
            return {"ok": 0.0, "errmsg": str(error), "code": error.code}


def message_of(payload: bytes) -> Document:
    """The command of an OP_MSG, lists that travel beside it put in."""
    command: Document = {}
    beside: dict[str, list[Document]] = {}
    place = 4  # after the flags; no client sends a checksum
    while place < len(payload):
        kind, size = struct.unpack_from("<Bi", payload, place)
        section, place = payload[place + 1 : place + 1 + size], place + 1 + size
        if kind == 0:
            command = bson.decode(section)
        else:
            name, _, documents = section[4:].partition(b"\0")
            beside[name.decode()] = list(bson.decode_all(documents))
    return command | beside


def query_of(payload: bytes) -> Document:
    """The command of an OP_QUERY."""
    start = payload.index(b"\0", 4) + 9  # flags, name of the collection, two counts
    return bson.decode(payload[start:])


@dataclass
class Login:
    """The server's side of SCRAM-SHA-256, for the one user that there is."""

    done: bool = False
    _salt: bytes = field(default_factory=lambda: os.urandom(16))
    _said: list[str] = field(default_factory=list)  # by the client, by us

    def step(self, command: Document) -> Document:
        text = command["payload"].decode()
        answer = self._begin(text) if "saslStart" in command else self._end(text)
        return {"conversationId": 1, "done": self.done, "payload": answer.encode()}

    def _begin(self, text: str) -> str:
        bare = text.split(",", 2)[2]
        nonce = bare.partition(",r=")[2] + base64.b64encode(os.urandom(18)).decode()
        self._said = [bare, f"r={nonce},s={base64.b64encode(self._salt).decode()},i=4096"]
        return self._said[1]

    def _end(self, text: str) -> str:
        without_proof, _, proof = text.rpartition(",p=")
        user = self._said[0].partition(",")[0].removeprefix("n=")
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), self._salt, 4096)
        whole = ",".join([*self._said, without_proof]).encode()
        key = self._hmac(salted, b"Client Key")
        signature = self._hmac(hashlib.sha256(key).digest(), whole)
        expected = bytes(ours ^ theirs for ours, theirs in zip(key, signature, strict=True))
        if user != USER or not hmac.compare_digest(expected, base64.b64decode(proof)):
            raise RefusedError(_WRONG_PASSWORD, "Authentication failed.")
        self.done = True
        return f"v={base64.b64encode(self._hmac(self._hmac(salted, b'Server Key'), whole)).decode()}"

    def _hmac(self, key: bytes, text: bytes) -> bytes:
        return hmac.digest(key, text, "sha256")


def _hello(documents: Documents, command: Document) -> Document:
    known = {"saslSupportedMechs": ["SCRAM-SHA-256"]} if "saslSupportedMechs" in command else {}
    sizes = {"maxBsonObjectSize": 2**24, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000}
    versions = {"minWireVersion": 0, "maxWireVersion": 13}
    return {"ismaster": True, "isWritablePrimary": True, "helloOk": True, **versions, **sizes, **known}


def _collection(documents: Documents, command: Document) -> Any:
    return documents[command["$db"]][next(iter(command.values()))]


def _cursor(command: Document, found: list[Document]) -> Document:
    """All of an answer at once, so that nobody asks for more."""
    return {"cursor": {"firstBatch": found, "id": bson.Int64(0), "ns": f"{command['$db']}.x"}}


def _find(documents: Documents, command: Document) -> Document:
    found = _collection(documents, command).find(
        command.get("filter", {}),
        command.get("projection") or None,
        sort=list(command.get("sort", {}).items()) or None,
        skip=command.get("skip", 0),
        limit=abs(command.get("limit", 0)),
    )
    return _cursor(command, list(found))


def _aggregate(documents: Documents, command: Document) -> Document:
    return _cursor(command, list(_collection(documents, command).aggregate(command["pipeline"])))


def _insert(documents: Documents, command: Document) -> Document:
    return {"n": len(_collection(documents, command).insert_many(command["documents"]).inserted_ids)}


def _update(documents: Documents, command: Document) -> Document:
    matched = 0
    for entry in command["updates"]:
        collection = _collection(documents, command)
        update: Any = collection.update_many if entry.get("multi") else collection.update_one
        if not all(key.startswith("$") for key in entry["u"]):
            update = collection.replace_one
        matched += update(entry["q"], entry["u"], upsert=entry.get("upsert", False)).matched_count
    return {"n": matched, "nModified": matched}


def _delete(documents: Documents, command: Document) -> Document:
    collection = _collection(documents, command)
    deleted = [
        (collection.delete_one if entry["limit"] else collection.delete_many)(entry["q"]).deleted_count
        for entry in command["deletes"]
    ]
    return {"n": sum(deleted)}


_COMMANDS: dict[str, Callable[[Documents, Document], Document]] = {
    "hello": _hello,
    "ismaster": _hello,
    "find": _find,
    "aggregate": _aggregate,
    "insert": _insert,
    "update": _update,
    "delete": _delete,
    "count": lambda documents, command: {"n": _collection(documents, command).count_documents(command["query"])},
    "distinct": lambda documents, command: {
        "values": _collection(documents, command).distinct(command["key"], command.get("query"))
    },
    "listdatabases": lambda documents, command: {"databases": [{"name": it} for it in documents.list_database_names()]},
    "listcollections": lambda documents, command: _cursor(
        command, [{"name": name} for name in documents[command["$db"]].list_collection_names()]
    ),
    "createindexes": lambda documents, command: {},
    "buildinfo": lambda documents, command: {"version": "5.0.0", "versionArray": [5, 0, 0, 0]},
    "ping": lambda documents, command: {},
    "endsessions": lambda documents, command: {},
}
