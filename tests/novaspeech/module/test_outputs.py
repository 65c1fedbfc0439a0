from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from discover_utils.data.handler.file_handler import FileHandler
from discover_utils.data.provider.data_manager import SessionManager

from novaspeech.audio.grid import WindowGrid
from novaspeech.audio.recording import Recording
from novaspeech.errors import RequestError
from novaspeech.inference.engine import Windows
from novaspeech.module.checks import requested_outputs
from novaspeech.module.output import Output
from novaspeech.module.results import build_outputs
from novaspeech.module.session import Results, Session
from novaspeech.segments import Segment
from novaspeech.server.request import Request

OUTPUTS = (
    Output("embeddings", aliases=("embedding",)),
    Output("valence", "annotation:Continuous"),
    Output("similarity", "annotation:Continuous", low=-1, high=1),
    Output("scene", whole=True),
)
GRID = WindowGrid.fit(40, 40, 0, 0, 200)
SCORES = np.array([0.0, 0.5, 1.2, -0.3, 0.25], np.float32)
USABLE = np.array([True, True, True, True, False])
RESULTS: Results = {
    "embeddings": Windows(np.arange(10, dtype=np.float32).reshape(5, 2), USABLE),
    "valence": Windows(SCORES[:, None], USABLE),
    "similarity": Windows(SCORES[:, None], USABLE),
    "scene": np.ones(3, np.float32),
}


def manager(folder: Path, *entries: dict[str, Any]) -> SessionManager:
    described = [
        {"type": "output", "src": f"file:{kind}", "uri": str(folder / f"{entry['id']}.{kind.split(':')[0]}")} | entry
        for entry in entries
        for kind in [next((o.data for o in OUTPUTS if o.id == entry["id"]), "stream:SSIStream")]
    ]
    return SessionManager("dataset", described, "session", {})


def opened(session: SessionManager, recording_ms: int = 200, outputs: Sequence[Output] = OUTPUTS) -> Session:
    """A session of so many milliseconds; nothing is encoded."""
    recording = Recording.of_samples(np.zeros(recording_ms), 1000, "made")
    nothing: Any = None
    requests = requested_outputs(Request(session), outputs, 25)
    return Session("made", recording, nothing, GRID, 200, requests, nothing, np.zeros(GRID.count, bool))


def build(session: SessionManager, recording_ms: int = 200) -> dict[str, Any]:
    return build_outputs(opened(session, recording_ms), RESULTS)


def save_and_load(session: SessionManager, name: str, recording_ms: int = 200) -> Any:
    session.output_data_templates.update(build(session, recording_ms))
    session.save()
    return FileHandler().load(Path(next(entry["uri"] for entry in session.data_description if entry["id"] == name)))


@pytest.mark.parametrize("name", ["embeddings", "embedding"])
def test_a_stream_under_the_id_that_the_request_used(tmp_path: Path, name: str) -> None:
    built = build(manager(tmp_path, {"id": name, "role": "teacher", "name": "features"}))
    assert list(built) == [name]
    meta = built[name].meta_data
    assert (meta.role, meta.name, meta.dataset, meta.session) == ("teacher", "features", "dataset", "session")
    loaded = save_and_load(manager(tmp_path, {"id": name}), name)
    np.testing.assert_array_equal(loaded.data, np.arange(10, dtype=np.float32).reshape(5, 2))
    assert loaded.meta_data.sample_rate == 25
    assert loaded.meta_data.chunks["to"] == pytest.approx(0.2)


@pytest.mark.parametrize(("recording_ms", "rate"), [(200, 5), (40_000, 0.025), (18_000_000, 0.001)])
def test_one_sample_of_the_whole_recording_has_a_rate_that_readers_can_divide_by(
    tmp_path: Path, recording_ms: int, rate: float
) -> None:
    scene = save_and_load(manager(tmp_path, {"id": "scene"}), "scene", recording_ms)
    assert scene.data.shape == (1, 3)
    assert scene.meta_data.sample_rate == rate


def test_scores_keep_the_grids_rate_and_the_models_range(tmp_path: Path) -> None:
    annotation = save_and_load(manager(tmp_path, {"id": "valence"}), "valence")
    scheme = annotation.annotation_scheme
    assert (scheme.sample_rate, scheme.min_val, scheme.max_val) == (25, 0, 1)
    np.testing.assert_allclose(annotation.data["score"], [0, 0.5, 1, 0, np.nan], atol=0.005)
    np.testing.assert_array_equal(annotation.data["conf"], [1, 1, 1, 1, 0])


def test_a_file_that_names_rate_and_range_gets_them(tmp_path: Path) -> None:
    session = manager(tmp_path, {"id": "valence", "sample_rate": 50, "min_val": -1, "max_val": 3})
    annotation = save_and_load(session, "valence")
    scheme = annotation.annotation_scheme
    assert (scheme.sample_rate, scheme.min_val, scheme.max_val) == (50, -1, 3)
    expected = [-1, 0, 1, 2, 3, 1, -1, np.nan, np.nan, np.nan]
    np.testing.assert_allclose(annotation.data["score"], expected, atol=0.005)
    np.testing.assert_array_equal(annotation.data["conf"], np.isfinite(expected))


def test_a_range_from_minus_one_to_one(tmp_path: Path) -> None:
    annotation = save_and_load(manager(tmp_path, {"id": "similarity"}), "similarity")
    np.testing.assert_allclose(annotation.data["score"][:4], [0, 0.5, 1, -0.3], atol=0.005)
    assert annotation.annotation_scheme.min_val == -1


def test_what_is_left_out_or_unticked_is_not_built(tmp_path: Path) -> None:
    assert list(build(manager(tmp_path, {"id": "embeddings"}, {"id": "valence", "active": False}))) == ["embeddings"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"id": "arousal"}, "asks for output 'arousal'; this module gives embeddings, valence, similarity, scene"),
        (
            {"id": "embeddings", "src": "file:annotation:continuous"},
            "output 'embeddings' is stream:SSIStream, the request",
        ),
        (
            {"id": "valence", "src": "file:annotation:discrete"},
            "output 'valence' is annotation:Continuous, the request",
        ),
        ({"id": "valence", "src": "nonsense"}, "has src 'nonsense'; write for example file:stream:audio"),
        ({"id": "embeddings", "uri": "/no/such/folder/a.stream"}, "there is no folder /no/such/folder; make it first"),
        ({"id": "embeddings", "uri": "a.wav"}, "a.wav must end in .stream"),
        ({"id": "embeddings", "uri": "C:\\out\\x.stream"}, "C:\\out\\x.stream is a path of Windows"),
        ({"id": "embeddings", "uri": "/data/x/16\\x.stream"}, "/data/x/16\\x.stream is a path of Windows"),
        ({"id": "embeddings", "uri": None, "uri_template": "{room}.stream"}, "names no file"),
        ({"id": "valence", "sample_rate": "fast"}, "sample_rate, min_val and max_val must be numbers"),
        ({"id": "valence", "sample_rate": None}, "sample_rate, min_val and max_val must be numbers"),
        ({"id": "valence", "sample_rate": 0}, "sample_rate 0.0 must be above 0"),
        ({"id": "valence", "min_val": 3, "max_val": 1}, "min_val 3 below max_val 1"),
        ({"id": "embeddings", "src": "db:stream:SSIStream"}, "output 'embeddings': no name is given; type one"),
        ({"id": "valence", "src": "db:annotation"}, "output 'valence': no scheme is chosen; it needs a continuous"),
        ({"id": "embeddings", "active": False}, "asks for no output, or for none that is active"),
    ],
)
def test_requests_that_cannot_be_served(tmp_path: Path, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        requested_outputs(Request(manager(tmp_path, entry)), OUTPUTS, 25)
    assert message in str(caught.value)


def test_an_annotation_without_a_subtype_is_understood(tmp_path: Path) -> None:
    [request] = requested_outputs(Request(manager(tmp_path, {"id": "valence", "src": "file:annotation"})), OUTPUTS, 25)
    assert request.output.id == "valence"


KEYWORDS = (Output("keywords", "annotation:Discrete"),)


def test_a_session_says_which_classes_it_has(tmp_path: Path) -> None:
    session = manager(
        tmp_path, {"id": "keywords", "src": "file:annotation:discrete", "uri": str(tmp_path / "a.annotation")}
    )
    one = opened(session, outputs=KEYWORDS)
    one.name_classes("keywords", ["money", "thank you"])
    segments = [Segment(0, 40, "thank you", 0.5), Segment(80, 120, "money", 1.0)]
    [built] = build_outputs(one, {"keywords": segments}).values()
    assert [tuple(row) for row in built.data] == [(0, 40, 1, 0.5), (80, 120, 0, 1.0)]
    assert {key: entry["name"] for key, entry in built.annotation_scheme.classes.items()} == {
        "0": "money", "1": "thank you",
    }  # fmt: skip


def test_texts_that_would_break_a_file(tmp_path: Path) -> None:
    """Files have ";" between columns, and their reader takes a quotation mark for the begin of many lines."""
    entry = {"id": "words", "src": "file:annotation:free", "uri": str(tmp_path / "a.annotation")}
    session = manager(tmp_path, entry)
    one = opened(session, outputs=(Output("words", "annotation:Free"),))
    texts = ["well;", '"I', 'said"', "two\nlines", "it’s"]
    segments = [Segment(100 * place, 100 * place + 50, text, 0.5) for place, text in enumerate(texts)]
    [built] = build_outputs(one, {"words": segments}).values()
    FileHandler().save(built, tmp_path / "a.annotation")
    loaded = FileHandler().load(tmp_path / "a.annotation")
    assert loaded.data["name"].tolist() == ["well,", "'I", "said'", "two lines", "it’s"]
    assert loaded.data["from"].tolist() == [0, 100, 200, 300, 400]
