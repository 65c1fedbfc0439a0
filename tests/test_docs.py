"""docs/nova.md against the code: what a person reads there is what the trainers have and what messages say."""

from __future__ import annotations

import re

import pytest

from novaspeech.server.catalogue import MODULES, Trainer, trainers
from tests.conftest import ROOT, outputs_of

PAGE = (ROOT / "docs" / "nova.md").read_text(encoding="utf-8")
SERVERS_OWN = ("No connection to server!", "SSL certificates not found", "MongoDB TLS connection attempt failed.")


@pytest.mark.parametrize("trainer", trainers(), ids=lambda trainer: trainer.name)
def test_every_annotation_has_its_scheme(trainer: Trainer) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| {trainer.name} |")]
    for output in outputs_of(trainer):
        if output.kind != "annotation":
            continue
        [row] = [line for line in rows if f"`{output.id}`" in line]
        assert output.subtype in row
        if output.subtype == "continuous":
            rate = 1000 / trainer.content.meta_frame_step
            assert f"continuous, {rate:g} Hz, from {output.low:g} to {output.high:g}" in row


@pytest.mark.parametrize("trainer", trainers(), ids=lambda trainer: trainer.name)
def test_every_further_input_is_explained(trainer: Trainer) -> None:
    for entry in trainer.inputs[1:]:
        assert f"`{entry.io_id}`" in PAGE or f"'{entry.io_id}'" in PAGE


def messages() -> list[str]:
    table = PAGE.split("## 9. What a message means")[1]
    rows = re.findall(r"^\| (.+?) \| .+ \|$", table, re.MULTILINE)[1:]
    return [message for row in rows for message in row.split("; ") if message not in SERVERS_OWN]


@pytest.mark.parametrize("message", messages())
def test_every_message_is_one_of_ours(message: str) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in MODULES.rglob("*.py"))
    sources = re.sub(r"\"\s*\n\s*f?\"", "", sources)  # strings over several lines
    said = re.sub(r"'?\{[^{}\n]*\}'?", "…", sources)
    for part in re.sub(r"'…'", "…", message).strip("… .").split(" … "):
        assert part.strip() in said, part
