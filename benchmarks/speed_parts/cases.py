"""The modules at their full size: how each is made with random weights, loaded, and run the public way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from transformers import (
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    WavLMConfig,
    WavLMModel,
)

import byols
from benchmarks.speed_parts import public
from benchmarks.speed_parts.public import Run
from byols.encoder import BYOLSEncoder
from byols.network import NETWORKS, build
from emow2v.encoder import EmoW2VEncoder
from emow2v.network import SCORES
from emow2v.standin import random_emotion_model, save_emotion_model
from novaspeech.arrays import FloatArray
from novaspeech.inference.encoder import Encoder, FrameEncoder
from novaspeech.models.compute import Compute
from novaspeech.models.wav2vec2_bert import load_wav2vec2_bert
from speech_encoder.encoder import SpeechEncoder
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.standin import ALPHABET, save_speller
from wav2vec2_sv.encoder import SpeakerEncoder
from wav2vec2_sv.standin import random_speaker_model, save_speaker_model


@dataclass(frozen=True)
class Case:
    """A module, or one of its networks, at the published size.

    Attributes:
        module: its name.
        make: writes a model with random weights to a place: a folder, of byols a file.
        load: the encoder of what lies there.
        public: the public way over windows, so many in a batch.
        length, hop: of the windows and from one to the next, in samples at 16 kHz.
        contexts: what the module offers: "window", "recording".
        embedding: the output whose cosines are shown.
        scores: the outputs whose differences are shown.
        onnx: whether it runs in onnxruntime, too.
        alike: whether the public way gives the module's numbers.
    """

    module: str
    make: Callable[[Path], None]
    load: Callable[[Path, Compute], Encoder]
    public: Callable[[Path, torch.device, Sequence[FloatArray], int], Run]
    length: int = 16000
    hop: int = 640
    contexts: tuple[str, ...] = ("window", "recording")
    embedding: str = "embeddings"
    scores: tuple[str, ...] = ()
    onnx: bool = True
    alike: bool = True

    @property
    def outputs(self) -> tuple[str, ...]:
        """All outputs that are computed."""
        return (self.embedding, *self.scores)


def _make_w2v_bert(folder: Path) -> None:
    """facebook/w2v-bert-2.0, 580.5 M parameters."""
    Wav2Vec2BertModel(Wav2Vec2BertConfig()).save_pretrained(folder)
    SeamlessM4TFeatureExtractor(padding_value=1).save_pretrained(folder)


def _load_w2v_bert(folder: Path, compute: Compute) -> Encoder:
    model = load_wav2vec2_bert(folder, compute)
    return FrameEncoder(model, {"embeddings": model.width}, compute)


def _make_emotion_model(folder: Path) -> None:
    """audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim, 165.3 M parameters."""
    sizes = {"hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 16, "intermediate_size": 4096}
    save_emotion_model(random_emotion_model(**sizes), folder)


def _make_wavlm(folder: Path) -> None:
    """microsoft/wavlm-base-plus."""
    WavLMModel(WavLMConfig(feat_extract_norm="group")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)


def _make_speller(folder: Path) -> None:
    """facebook/wav2vec2-base-960h."""
    save_speller(Wav2Vec2ForCTC(Wav2Vec2Config(vocab_size=len(ALPHABET), pad_token_id=0)), folder)


def _make_speaker_model(folder: Path) -> None:
    """anton-l/wav2vec2-base-superb-sv."""
    save_speaker_model(random_speaker_model(), folder)


def _make_byols(network: str, file: Path) -> None:
    torch.save(build(network).state_dict(), file)


def _load_byols(file: Path, compute: Compute) -> Encoder:
    return BYOLSEncoder(byols.load_model(file), compute)


def _transformers_way(load: Callable[[Path, torch.device], public.Network]) -> Callable[..., Run]:
    return partial(public.transformers_way, load)


def _byols_case(network: str) -> Case:
    make = partial(_make_byols, network)
    return Case("byols", make, _load_byols, public.byols_way, hop=800, contexts=("window",), onnx=False, alike=False)


_HIDDEN_STATES = _transformers_way(public.mean_hidden_states)
CASES = {
    "w2v_bert_2": Case("w2v_bert_2", _make_w2v_bert, _load_w2v_bert, _HIDDEN_STATES),
    "emow2v": Case(
        "emow2v", _make_emotion_model, EmoW2VEncoder, _transformers_way(public.emotions),
        embedding="embedding", scores=SCORES,
    ),
    "speech_encoder": Case(
        "speech_encoder", _make_wavlm, lambda folder, compute: SpeechEncoder(folder, compute=compute), _HIDDEN_STATES
    ),
    "wav2vec2_sv": Case(
        "wav2vec2_sv", _make_speaker_model, SpeakerEncoder, _transformers_way(public.x_vectors),
        length=48000, hop=8000, contexts=("window",),
    ),
    "wav2vec2_kws": Case(
        "wav2vec2_kws", _make_speller, lambda folder, compute: KeywordEncoder(folder, compute=compute), _HIDDEN_STATES,
        contexts=("recording",),
    ),
} | {f"byols, {network}": _byols_case(network) for network in NETWORKS}  # fmt: skip
MODULES = tuple(dict.fromkeys(case.module for case in CASES.values()))
