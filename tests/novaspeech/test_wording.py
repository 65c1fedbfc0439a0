"""Messages speak the language of where they are read: of NOVA's form, of the command line, of Python."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import novaspeech
from novaspeech.command.main import main
from novaspeech.module.catalogue import module_names
from novaspeech.module.session import Session
from novaspeech.wording import advice
from tests.conftest import SPEECH

NOVAS = re.compile("scheme|untick|audio input with the id", re.IGNORECASE)


@pytest.fixture
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no network: whatever is said of a request is said before the model is looked for."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["wav2vec2_sv", "--output", "same_speaker"],
            "output 'same_speaker' needs the input 'reference': add --input reference=teacher.wav, or choose other "
            "outputs with --output",
        ),
        (
            ["wav2vec2_kws"],
            "output 'keywords' needs the option 'keywords': add --set 'keywords=hello, thank you', or choose other "
            "outputs with --output",
        ),
        (
            ["wav2vec2_kws", "--set", "method=example", "--output", "score"],
            "output 'score' needs the input 'keyword': add --input keyword=hello.wav, or choose other outputs with "
            "--output",
        ),
        (
            ["wav2vec2_kws", "--output", "alignment"],
            "output 'alignment' needs the input 'transcript': add --input transcript=said.txt, or choose other outputs "
            "with --output",
        ),
    ],
    ids=["reference", "keywords", "example", "transcript"],
)
def test_what_an_output_needs_is_said_on_the_command_line_before_the_model_is_looked_for(
    nothing_here: Path, words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", words[0], str(SPEECH), "--out", str(tmp_path / "out"), *words[1:]]) == 1
    assert capsys.readouterr().err == f"novaspeech: {message}\n"
    assert not nothing_here.exists()


def test_what_stands_in_for_an_input_is_enough(
    nothing_here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enough: Mapping[str, list[str]] = {
        "wav2vec2_sv": ["--set", f"reference={SPEECH}", "--output", "same_speaker"],
        "wav2vec2_kws": ["--output", "words"],
    }
    for module, words in enough.items():
        assert main(["run", module, str(SPEECH), "--out", str(tmp_path / "out"), *words]) == 1
        assert "cannot be fetched" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "outputs", "message"),
    [
        (
            "wav2vec2_sv",
            "similarity",
            "output 'similarity' needs the input 'reference': pass inputs={'reference': 'teacher.wav'}, or choose "
            "other outputs",
        ),
        (
            "wav2vec2_kws",
            None,
            "output 'keywords' needs the option 'keywords': load the module with keywords='hello, thank you', or "
            "choose other outputs",
        ),
    ],
)
def test_what_an_output_needs_is_said_to_python(
    models: dict[str, Path], module: str, outputs: str | None, message: str
) -> None:
    model = novaspeech.load(module, model=models[module], device="cpu")
    for ask in (lambda: model("nowhere.wav", outputs), lambda: model.many(["nowhere.wav"], outputs)):
        with pytest.raises(novaspeech.RequestError) as caught:
            ask()
        assert str(caught.value) == message


# What is raised by code that does not know who asked: options → the advice on the command line and in Python.
ADVICE = [
    ("emow2v", {}, "add --set model=FOLDER", "load the module with model='FOLDER'"),
    ("byols", {}, "add --set model=PLACE", "load the module with model='PLACE'"),
    ("byols", {"encoder": "clstm"}, "add --set model=FILE", "load the module with model='FILE'"),
    ("wav2vec2_kws", {"method": "classifier"}, "add --set classifier=FILE", "load the module with classifier='FILE'"),
    ("w2v_bert_2", {"backend": "onnx"}, "add --set model=DIR", "load the module with model='DIR'"),
    ("w2v_bert_2", {"backend": "onnx", "precision": "bfloat16"}, "add --set model=DIR", "with model='DIR'"),
    ("emow2v", {"backend": "onnx", "context": "recording"}, "add --set model=DIR", "load the module with model='DIR'"),
]


@pytest.mark.parametrize(("module", "options", "command", "python"), ADVICE)
@pytest.mark.usefixtures("nothing_here")
def test_advice_from_deep_inside_is_in_the_readers_language(
    module: str,
    options: dict[str, str],
    command: str,
    python: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    assert main(["run", module, str(SPEECH), "--out", str(tmp_path / "out"), *words]) == 1
    said = capsys.readouterr().err
    with pytest.raises(novaspeech.NovaspeechError) as caught:
        novaspeech.load(module, **options)
    for line, expected in ((said, command), (str(caught.value), python)):
        assert expected in line
        assert "in the option" not in line


def test_so_is_what_is_found_while_the_model_runs(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def process(_: object, session: Session) -> None:
        raise novaspeech.ModelError(advice("device", "cpu"))

    monkeypatch.setattr("novaspeech.module.processor.SpeechProcessor.process", process)
    model = novaspeech.load("emow2v", model=models["emow2v"], device="cpu")
    with pytest.raises(novaspeech.ModelError, match="load the module with device='cpu'"):
        model(SPEECH)
    words = ["--set", f"model={models['emow2v']}", "--out", str(tmp_path / "out")]
    assert main(["run", "emow2v", str(SPEECH), *words]) == 1
    assert "add --set device=cpu" in capsys.readouterr().err


def test_a_place_on_a_server_is_no_file(
    models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--output", "similarity", "--set", "reference=label=anna", "--set", f"model={models['wav2vec2_sv']}"]
    assert main(["run", "wav2vec2_sv", str(SPEECH), "--out", str(tmp_path), *words]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "option 'reference' is 'label=anna'; sessions and labels are a server's; name a file here" in said


def test_the_modules_are_described_in_words_that_all_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["modules"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in module_names())
    assert NOVAS.findall(said) == []


def test_helps_do_not_speak_of_novas_form(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "find", "align", "verify"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
    assert NOVAS.findall(capsys.readouterr().out) == []
