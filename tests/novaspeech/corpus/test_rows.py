"""Which recordings a corpus has, whatever names them."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from novaspeech.corpus.rows import Row, read_rows
from novaspeech.errors import PackageError, RequestError

LINES: list[str] = []


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    """Three files, of which nobody hears anything here."""
    for name, size in (("a.wav", 64_000), ("sub/b.flac", 320_000), ("sub/Zoë Ä.wav", 32_000)):
        file = tmp_path / "talks" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(size))
    return tmp_path / "talks"


def read(*entries: object) -> list[Row]:
    """Rows but for what tables name their recordings."""
    return [replace(row, file="") for row in read_rows([str(entry) for entry in entries], LINES.append)]


def test_a_folder_gives_its_tree_the_longest_first(talks: Path) -> None:
    assert read(talks) == [
        Row("sub/b", str(talks / "sub/b.flac"), 10),
        Row("a", str(talks / "a.wav"), 2),
        Row("sub/Zoë Ä", str(talks / "sub/Zoë Ä.wav"), 1),
    ]


def nemo(talks: Path) -> Path:
    rows = [
        {"audio_filepath": "sub/b.flac", "duration": 100.5, "text": "x"},
        {"audio_filepath": "a.wav", "duration": 7},
    ]
    (talks / "m.jsonl").write_text("".join(f"{json.dumps(row)}\n\n" for row in rows), encoding="utf-8")
    return talks / "m.jsonl"


def lhotse(talks: Path) -> Path:
    rows = [
        {
            "id": name,
            "sources": [{"type": "file", "channels": [0], "source": str(talks / file)}],
            "sampling_rate": 16000,
            "num_samples": 16000,
            "duration": seconds,
        }
        for name, file, seconds in (("sub/b", "sub/b.flac", 100.5), ("a", "a.wav", 7))
    ]
    with gzip.open(talks / "m.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)
    return talks / "m.jsonl.gz"


def hub(talks: Path) -> Path:
    (talks / "metadata.csv").write_text("\ufefffile_name,duration\nsub/b.flac,100.5\na.wav,7\n", encoding="utf-8")
    return talks / "metadata.csv"


def common_voice(talks: Path) -> Path:
    text = f"path\tsentence\tduration\n{talks}/sub/b.flac\tsaid, and\t100.5\n{talks}/a.wav\t\t7\n"
    (talks / "dev.tsv").write_text(text, encoding="utf-8")
    return talks / "dev.tsv"


def audformat(talks: Path) -> Path:
    files = pd.Index(["sub/b.flac", "a.wav"], name="file")
    pd.DataFrame({"duration": [100.5, 7.0]}, index=files).reset_index().to_parquet(talks / "db.files.parquet")
    return talks / "db.files.parquet"


@pytest.mark.parametrize("manifest", [nemo, lhotse, hub, common_voice, audformat])
def test_manifests(talks: Path, manifest: Callable[[Path], Path]) -> None:
    assert read(manifest(talks)) == [Row("sub/b", str(talks / "sub/b.flac"), 100.5), Row("a", str(talks / "a.wav"), 7)]


PARTS = {
    "m.jsonl": '{"audio_filepath": "a.wav", "offset": 0.5, "duration": 1}\n{"audio_filepath": "a.wav", "offset": 1.5}',
    "cuts.jsonl": "".join(
        json.dumps({"start": start, **more, "channel": 1, "recording": {"id": "a", "sources": [{"source": "a.wav"}]}})
        + "\n"
        for start, more in ((0.5, {"duration": 1}), (1.5, {}))
    ),
    "m.csv": "file,start,end\na.wav,0 days 00:00:00.5,0 days 00:00:01.500000\na.wav,0 days 00:00:01.5,NaT\n",
    "seconds.tsv": "file_name\tbegin\tend\na.wav\t0.5\t1.5\na.wav\t0:01.5\t\n",
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_a_recording_that_a_manifest_names(talks: Path, name: str) -> None:
    (talks / name).write_text(PARTS[name])
    channel, mark = (2, "_ch2") if name == "cuts.jsonl" else (0, "")
    found = {row.id: (row.span, row.channel) for row in read(talks / name)}
    assert found == {f"a{mark}_500-1500ms": ((500, 1500), channel), f"a{mark}_1500-end": ((1500, None), channel)}


def test_urls(talks: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(talks), "/bucket/talks", recursive=True)
    memory.pipe_file("/bucket/talks/notes.txt", b"")
    memory.pipe_file("/bucket/m.jsonl", b'{"audio_filepath": "talks/a.wav", "id": "anna/1"}')
    b, a, z = (f"memory://bucket/talks/{name}" for name in ("sub/b.flac", "a.wav", "sub/Zoë Ä.wav"))
    b, a, z = (place.replace("memory://", "memory:///") for place in (b, a, z))
    LINES.clear()
    whole = [Row("sub/b", b, 10), Row("a", a, 2), Row("sub/Zoë Ä", z, 1)]
    assert read("memory://bucket/talks") == whole
    assert LINES == ["memory://bucket/talks: 3 recordings; left out 1 .txt"]
    assert read("memory://bucket/talks/*/b.*") == [whole[0]]
    assert read("memory://bucket/talks/a.wav") == [whole[1]]
    assert read("memory://bucket/m.jsonl") == [Row("anna/1", "memory://bucket/talks/a.wav")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "m.jsonl lists no recordings"),
        ('{"audio_filepath": "a.wav"', "line 1 of .*m.jsonl is no JSON: "),
        ("[1]", "line 1 of .*m.jsonl is no JSON object"),
        ('{"wav": "a.wav"}', "row 1 of .*m.jsonl names no recording; it has wav, and needs one of audio_filepath, "),
        ('{"audio_filepath": 7}', "row 1 of .*m.jsonl names no recording"),
        ('{"sources": [{"source": "a"}, {"source": "b"}]}', "or one file in lhotse's sources"),
        ('{"audio_filepath": "a.wav", "id": "../a"}', "has the id '../a'; a relative path is needed"),
        ('{"audio_filepath": "a.wav", "id": "/etc/a"}', "has the id '/etc/a'"),
        ('{"audio_filepath": "a.wav"}\n{"audio_filepath": "a.wav", "duration": 3}', "a.wav is named twice"),
        (
            '{"audio_filepath": "a.wav", "offset": "soon"}',
            "row 1 of .*m.jsonl names no part of a recording: 'soon' is no",
        ),
        ('{"audio_filepath": "a.wav", "start": 3, "end": 2}', "it ends at 2 s and begins at 3 s"),
        (
            '{"audio_filepath": "a.wav", "id": "a"}\n{"audio_filepath": "b.wav", "id": "a"}',
            "a.wav and .*b.wav would both write a[.]",
        ),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said_at_once(talks: Path, text: str, said: str) -> None:
    (talks / "m.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match=said):
        read(talks / "m.jsonl")


@pytest.mark.parametrize(
    ("entry", "error", "said"),
    [
        ("nothing.csv", RequestError, "nothing.csv cannot be read: .*No such file"),
        ("memory://nowhere", RequestError, "there is no memory://nowhere"),
        ("sftp2://host/talks", RequestError, "sftp2://host/talks cannot be opened"),
        ("gs://bucket/talks", PackageError, "gs://bucket/talks needs a package more: .*gcsfs"),
        ("empty", RequestError, "empty holds no recordings"),
    ],
)
def test_entries_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, error: type[Exception], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(error, match=said):
        read(entry)
