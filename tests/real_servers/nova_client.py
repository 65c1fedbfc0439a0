"""What NOVA's window for DISCOVER sends, as its source (1.3.0.6) has it.

The window is filled from the server's own answer and from the database, as when a person picks a module and presses
"Send". Where NOVA itself would fail, such as without any role, this fails, too. It asks for
no labels to be merged: no trainer of ours allows that.
"""

from __future__ import annotations

import json
import re
import time
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import requests
import urllib3

from demo.server import Server, Status
from tests.real_servers import mongo
from tests.real_servers.nova_database import names_in

_NUMBER = re.compile(r"[+-]?(\d[\d,]*\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INT_32 = range(-(2**31), 2**31)


@dataclass
class Field:
    """A line of the window: an input or an output.

    Attributes:
        id, kind, subtype: of the trainer, such as "audio", "stream", "Audio".
        stream, role: what is chosen; an annotation has a scheme and an annotator instead of a stream.
        active: the tick; inputs have none.
    """

    id: str
    kind: str
    subtype: str
    stream: str = ""
    scheme: str = ""
    annotator: str = ""
    role: str = ""
    active: bool = True

    @classmethod
    def of(cls, entry: Mapping[str, Any], database: Any) -> Field:
        """As the window shows it: what the trainer names if that is there (a stream even if not), else the first."""
        kind, subtype = entry["data"].split(":", 1)
        shown = cls(entry["id"], kind, subtype, role=_preselected_role(entry["id"], database))
        if entry["type"] == "output":
            shown.active = bool(entry["default_active"])
        default = entry["default_value"] or ""
        if kind == "stream":
            shown.stream = default or next(iter(names_in(database, "Streams", subtype)), "")
        else:
            schemes = names_in(database, "Schemes", subtype)
            shown.scheme = default if default in schemes else next(iter(schemes), "")
            shown.annotator = names_in(database, "Annotators")[0]
        return shown

    def sent(self, io: str) -> dict[str, Any]:
        """The entry of the request."""
        start: dict[str, Any] = {"id": self.id, "type": io}
        if self.kind == "annotation":  # without its subtype
            start |= {"src": "db:annotation", "scheme": self.scheme, "annotator": self.annotator}
        else:
            start |= {"kind": self.subtype} if io == "output" else {}
            start |= {"src": f"db:stream:{self.subtype}", "name": self.stream}
        return start | {"role": self.role, "active": self.active}


def _preselected_role(field_id: str, database: Any) -> str:
    """The role that an id begins with, such as "patient" of "patient_audio", else the first."""
    roles = names_in(database, "Roles")
    start, underscore, _ = field_id.partition("_")
    return start if underscore and start in roles else roles[0]


@dataclass
class Form:
    """The window for one module.

    Attributes:
        path: of the trainer, as the server gave it.
        frame_size, left_context, right_context, stride, start, end: as text.
        options: a box's text, a tick, or what is chosen of a list.
    """

    path: str
    frame_size: str
    left_context: str
    right_context: str
    inputs: dict[str, Field]
    outputs: dict[str, Field]
    options: dict[str, str | bool]
    sessions: list[str]
    dataset: str
    stride: str = "None"
    start: str = "0"
    end: str = "0"
    db_port: int = 0

    @classmethod
    def of(cls, path: str, info: Mapping[str, Any], database: Any, db_port: int) -> Form:
        """As the window opens, for what /cml_info says of one trainer."""
        entries = json.loads(info["meta_io"])
        return cls(
            path,
            frame_size=str(info["meta_frame_step"]),
            left_context=str(info["meta_left_ctx"]),
            right_context=str(info["meta_right_ctx"]),
            inputs={entry["id"]: Field.of(entry, database) for entry in entries if entry["type"] == "input"},
            outputs={entry["id"]: Field.of(entry, database) for entry in entries if entry["type"] == "output"},
            options={name: shown[0] for name, (_, shown) in boxes_of(info["model_option_string"]).items()},
            sessions=names_in(database, "Sessions")[:1],
            dataset=database.name,
            db_port=db_port,
        )

    def fields(self) -> dict[str, str]:
        """The form fields that are posted."""
        data = [entry.sent("input") for entry in self.inputs.values()]
        data += [entry.sent("output") for entry in self.outputs.values()]
        options = {name: sent_option(value) for name, value in self.options.items()}
        fields = {
            "jobID": self._job_id(options),
            "trainerFilePath": self.path,
            "dbHost": "127.0.0.1",
            "dbPort": str(self.db_port),
            "dbUser": mongo.USER,
            "dbPassword": mongo.PASSWORD,
            "leftContext": self.left_context,
            "rightContext": self.right_context,
            "frameSize": self.frame_size,
            "data": json.dumps(data, ensure_ascii=False, separators=(",", ":")),
            "options": json.dumps(options, ensure_ascii=False, separators=(",", ":")),
            "force": "False",
        }
        fields |= {"stride": self.stride} if self.stride.lower() != "none" else {}
        fields |= {key: value for key, value in (("start", self.start), ("end", self.end)) if value != "0"}
        sessions = ",".join(f'"{session}"' for session in self.sessions)
        return fields | {"sessions": f"[{sessions}]", "dataset": self.dataset}

    def _job_id(self, options: Mapping[str, Any]) -> str:
        """At most eight digits of what is chosen above, by a hash of ours; neither outputs nor frames are among it."""
        annotator = next((output.annotator for output in self.outputs.values()), "")
        module = Path(self.path).stem.split(" ")[0]
        shown = json.dumps(options, indent=2, ensure_ascii=False).replace("\n", "\r\n")
        text = f"database{self.dataset}annotator{annotator}sessions{';'.join(self.sessions)}"
        text += f"username{mongo.USER}chain{module}opts{shown}"
        return str(zlib.crc32(text.encode()))[:8]


def boxes_of(optstr: str) -> dict[str, tuple[str, list[str | bool]]]:
    """Name of each option → its kind and what its box shows; of a list, all there is to choose.

    As NOVA reads a trainer's `optstr`: a box for what stands between ";"; name, kind and default between ":".
    """
    boxes: dict[str, tuple[str, list[str | bool]]] = {}
    for text in optstr.split(";"):
        name, kind, default = text.strip("{}").split(":")[:3]
        ticked: list[str | bool] = [default.lower() != "false"]
        boxes[name] = kind, ticked if "BOOL" in kind else [*default.split(",")] if "LIST" in kind else [default]
    return boxes


def sent_option(value: str | bool) -> Any:
    """Text that reads as a number is sent as one (a comma groups its digits, wherever it stands), "None" as null."""
    if isinstance(value, bool):
        return value
    text = value.strip()
    if re.fullmatch(r"[+-]?\d+", text) and int(text) in _INT_32:
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(str(np.float32(text.replace(",", ""))))
    return None if value == "None" else value


class NovaClient:
    """NOVA at a server, whose certificate it does not look at."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def trainers(self) -> dict[str, tuple[str, Any]]:
        """Name of each module in the window → its trainer's path and description."""
        answer = self._post("cml_info", {})
        assert not answer["trainer_faulty"]
        return {Path(path).stem: (path, json.loads(text)) for path, text in answer["trainer_ok"].items()}

    def send(self, form: Form) -> Status:
        """Presses "Send", and follows the job to its end."""
        return self.post(form.fields())

    def post(self, fields: Mapping[str, str], seconds: float = 300) -> Status:
        """Posts the fields of a form, and follows the job to its end."""
        failures, deadline = self.server.failures(), time.monotonic() + seconds
        assert self._post("process", fields)["success"] != "failed"
        while time.monotonic() < deadline:
            status = Status(int(self._post("job_status", {"jobID": fields["jobID"]})["status"]))
            if status in (Status.FINISHED, Status.ERROR):
                return status
            if self.server.failures() > failures:  # NOVA itself waits for ever
                return Status.ERROR
            time.sleep(0.1)
        raise TimeoutError(f"the job is still {status.name} after {seconds:.0f} s")

    def log(self, job: str) -> str:
        """A job's log as NOVA shows it."""
        message = str(self._post("log", {"jobID": job})["message"])
        return message.replace("ERROR", "").replace("INFO", "")

    def _post(self, path: str, fields: Mapping[str, str]) -> Any:
        # Without a field requests would not call it multipart, as NOVA does; servers read neither.
        parts = {name: (None, value) for name, value in fields.items()} or {"": (None, "")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            answer = requests.post(f"{self.server.url}/{path}", files=parts, timeout=30, verify=False)  # noqa: S501
        answer.raise_for_status()
        return answer.json()
