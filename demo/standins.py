"""Models of the real architectures with random weights, for the demo and the tests.

Their configuration files are those of the published models, only smaller (BYOL-S is small as it is). Their numbers mean
nothing, but for those of wav2vec2_kws, whose stand-in was trained.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile
import torch
from transformers import (
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2ForXVector,
)

from byols.network import build
from emow2v.network import PUBLISHED, SCORES, EmotionModel
from novaspeech.models import downloads, weights
from novaspeech.server.catalogue import MODULES, load_trainer
from wav2vec2_kws.encoder import PUBLISHED as PUBLISHED_LETTERS
from wav2vec2_sv.network import PUBLISHED as PUBLISHED_SPEAKERS

Maker = Callable[[Path], None]

KEYWORDS = {"keywords": "thank you, money, question"}  # of what is said in words.flac
SMALL_SPELLER = MODULES / "wav2vec2_kws" / "small"


def make_w2v_bert_2(folder: Path) -> None:
    """Writes a w2v-BERT 2.0 of two layers with 64 values per frame into `folder`."""
    torch.manual_seed(0)
    config = Wav2Vec2BertConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)
    Wav2Vec2BertModel(config).save_pretrained(folder)
    # As in facebook/w2v-bert-2.0; the class's own default pads with 0.
    SeamlessM4TFeatureExtractor(padding_value=1).save_pretrained(folder)


def make_emow2v(folder: Path) -> None:
    """Writes an emotion model of two layers with 64 values per frame into `folder`; its scores wander about 0.5."""
    torch.manual_seed(0)
    model = random_emotion_model(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, conv_dim=(32,) * 7,
        num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    # Random hidden states hardly change over time: the head is centred on those of some speech, and made to exaggerate.
    windows = speech().unfold(0, 16000, 16000)
    with torch.no_grad():
        pooled = model.eval()(windows)[0]
        dense = model.classifier.dense
        dense.weight.copy_(torch.randn(64, 64) / 64**0.5 / pooled.std(dim=0).mean() / 2)
        dense.bias.copy_(-dense.weight @ pooled.mean(dim=0))
        model.classifier.out_proj.weight.copy_(torch.randn(3, 64) / 32)
        model.classifier.out_proj.bias.fill_(0.5)
    save_emotion_model(model, folder)


def random_emotion_model(**sizes: Any) -> EmotionModel:
    """The published emotion model's architecture and labels in other sizes, as `Wav2Vec2Config` names them."""
    labels = dict(enumerate(SCORES))
    config = Wav2Vec2Config(
        feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True,
        id2label=labels, label2id={name: index for index, name in labels.items()}, **sizes,
    )  # fmt: skip
    return EmotionModel(config)


def save_emotion_model(model: EmotionModel, folder: Path) -> None:
    """Writes it with the preprocessor_config.json of the published model's folder."""
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)


def make_byols(file: Path) -> None:
    """Writes a checkpoint of the default encoder of BYOL-S, in its one size."""
    torch.manual_seed(0)
    torch.save(build("default").state_dict(), file)


def make_wav2vec2_sv(folder: Path) -> None:
    """Writes a speaker model of two layers with 64 values per frame into `folder`, like the published one with a group
    norm, a weighted sum of layers, and no other normalisation.
    """
    torch.manual_seed(0)
    model = random_speaker_model(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, conv_dim=(32,) * 7,
        num_conv_pos_embedding_groups=4, tdnn_dim=(32, 32, 32, 32, 64), xvector_output_dim=48,
    )  # fmt: skip
    # Random vectors hardly change over time: centred on those of some speech, they do.
    windows = speech().unfold(0, 48000, 16000)
    with torch.no_grad():
        model.feature_extractor.bias -= model.eval()(windows).embeddings.mean(dim=0)
    save_speaker_model(model, folder)


def random_speaker_model(**sizes: Any) -> Wav2Vec2ForXVector:
    """The published speaker model's architecture in other sizes, as `Wav2Vec2Config` names them."""
    return Wav2Vec2ForXVector(Wav2Vec2Config(**{"use_weighted_layer_sum": True, "num_labels": 4} | sizes))


def save_speaker_model(model: Wav2Vec2ForXVector, folder: Path) -> None:
    """Writes it with a preprocessor_config.json."""
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=model.config.feat_extract_norm == "layer").save_pretrained(folder)


def make_wav2vec2_kws(folder: Path) -> None:
    """Copies the small checkpoint, which has learnt to spell synthetic voices, into `folder`."""
    shutil.copytree(SMALL_SPELLER, folder, dirs_exist_ok=True)


def save_speller(model: Wav2Vec2ForCTC, letters: tuple[str, ...], folder: Path) -> None:
    """Writes a CTC model with its vocabulary and preprocessor_config.json."""
    model.save_pretrained(folder)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    Wav2Vec2CTCTokenizer(str(vocabulary)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)


def speech() -> torch.Tensor:
    """(N,) of the demo's recording, one voice louder, as if it were at 16 kHz."""
    samples, _ = soundfile.read(Path(__file__).with_name("recording.flac"), dtype="float32")
    return torch.from_numpy(samples[:, 0].copy())


def lay_out_as_cached(home: Path, model_id: str, make: Maker) -> Path:
    """Puts a stand-in where the Hub's cache below `home` (an HF_HOME) would hold the model `model_id`."""
    revision = "0" * 40
    entry = home / "hub" / f"models--{model_id.replace('/', '--')}"
    snapshot = entry / "snapshots" / revision
    snapshot.mkdir(parents=True, exist_ok=True)
    make(snapshot)
    (entry / "refs").mkdir(exist_ok=True)
    (entry / "refs" / "main").write_text(revision)
    return snapshot


@dataclass(frozen=True)
class StandIn:
    """What takes the place of a module's published model where that cannot be had.

    Attributes:
        module: its name.
        published: id of the published model on the Hub, or with `uri` what it is called.
        make: writes the stand-in into a folder, with `uri` as a file.
        uri: id of the `<uri>` in the trainer that names the published file, if it is not on the Hub.
        options: of a job with the stand-in, where the published model's would show nothing.
        trained: whether its numbers mean something.
    """

    module: str
    published: str
    make: Maker
    uri: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    trained: bool = False

    def published_is_cached(self) -> bool:
        """Whether the published model is on this machine."""
        return self._place().exists() if self.uri else weights.is_cached(self.published)

    def lay_out(self, home: Path) -> None:
        """Puts the stand-in where the caches below `home` (an HF_HOME) would have the published model."""
        if self.uri:
            place = home / "assets" / "novaspeech" / self._place().relative_to(weights.asset_cache())
            place.parent.mkdir(parents=True, exist_ok=True)
            self.make(place)
        else:
            lay_out_as_cached(home, self.published, self.make)

    def _place(self) -> Path:
        entries = load_trainer(self.module).content.meta_uri
        return downloads.place_of(next(entry for entry in entries if entry.uri_id == self.uri))


STANDINS = {
    standin.module: standin
    for standin in (
        StandIn("byols", "GasserElbanna/serab-byols", make_byols, uri="default"),
        StandIn("emow2v", PUBLISHED, make_emow2v),
        StandIn("w2v_bert_2", "facebook/w2v-bert-2.0", make_w2v_bert_2),
        StandIn("wav2vec2_kws", PUBLISHED_LETTERS, make_wav2vec2_kws, options=KEYWORDS, trained=True),
        StandIn("wav2vec2_sv", PUBLISHED_SPEAKERS, make_wav2vec2_sv, options={"threshold": "0"}),
    )
}
