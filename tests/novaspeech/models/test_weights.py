import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2BertModel, Wav2Vec2Config

from demo.standins import lay_out_as_cached
from novaspeech.errors import WeightsError
from novaspeech.models import hub, weights

MAY_MISS = ("masked_spec_embed",)
TYPES = ["wav2vec2-bert"]


def loaded(folder: Path) -> Wav2Vec2BertModel:
    return weights.load_pretrained(Wav2Vec2BertModel, folder, MAY_MISS)


def test_the_cache_is_the_users_else_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert hub.hub_cache() == Path.home() / ".cache/huggingface/hub"
    monkeypatch.setenv("CACHE_DIR", "/server/cache")
    assert hub.hub_cache() == Path("/server/cache/huggingface/hub")
    monkeypatch.setenv("HF_HOME", "/users/own")
    assert hub.hub_cache() == Path("/users/own/hub")
    monkeypatch.setenv("HF_HUB_CACHE", "/other")
    assert hub.hub_cache() == Path("/other")


def test_a_download_that_was_cut_off_does_not_count_as_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    (lay_out_as_cached("w2v_bert_2", tmp_path, "owner/name") / "model.safetensors").unlink()
    assert not hub.cached_folder("owner/name")


@pytest.mark.parametrize("name", ["owner/name", "facebook/w2v-bert-2.0"])
def test_what_cannot_be_had_says_where_it_was_sought_and_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError) as caught:
        weights.model_folder(name, ["wav2vec2-bert"], lambda line: None)
    message = str(caught.value)
    assert f"model '{name}' is not in {tmp_path / 'hub'} and cannot be fetched" in message
    assert "write FOLDER in the option 'model'" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["/no/such/folder", "no-such-folder", "", "a/b/c", "https://a/model", "s3://a/b"])
def test_what_is_neither_folder_nor_id(name: str) -> None:
    with pytest.raises(WeightsError, match="neither a folder on this machine nor a Hub id such as owner/name"):
        weights.model_folder(name, ["wav2vec2-bert"])


def copy_of(model: Path, folder: Path) -> Path:
    shutil.copytree(model, folder)
    return folder


@pytest.mark.parametrize("lacking", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_folder_that_is_no_model(small_model: Path, tmp_path: Path, lacking: str) -> None:
    folder = copy_of(small_model, tmp_path / "model")
    (folder / lacking).unlink()
    with pytest.raises(WeightsError, match="is no model folder: it needs config.json, preprocessor_config.json and"):
        weights.model_folder(str(folder), ["wav2vec2-bert"])


def test_a_model_of_another_architecture(small_model: Path, tmp_path: Path) -> None:
    folder = copy_of(small_model, tmp_path / "model")
    Wav2Vec2Config().save_pretrained(folder)
    with pytest.raises(WeightsError, match="holds a 'wav2vec2' model; this module needs one of type 'wav2vec2-bert'"):
        weights.model_folder(str(folder), ["wav2vec2-bert"])


def test_a_configuration_that_is_no_json(small_model: Path, tmp_path: Path) -> None:
    folder = copy_of(small_model, tmp_path / "model")
    (folder / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="config.json is not valid JSON"):
        weights.model_folder(str(folder), ["wav2vec2-bert"])


def test_shards_must_all_be_there(small_model: Path, tmp_path: Path) -> None:
    folder = copy_of(small_model, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="is no model folder"):
        weights.model_folder(str(folder), ["wav2vec2-bert"])
    (folder / "model-00002-of-00002.safetensors").touch()
    assert weights.model_folder(str(folder), ["wav2vec2-bert"]) == folder


def test_weights_from_safetensors_and_from_a_pickle_are_the_same(small_model: Path, tmp_path: Path) -> None:
    folder = copy_of(small_model, tmp_path / "model")
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    assert weights.model_folder(str(folder), ["wav2vec2-bert"]) == folder
    pickled = weights.load_pretrained(Wav2Vec2BertModel, folder, MAY_MISS).state_dict()
    expected = weights.load_pretrained(Wav2Vec2BertModel, small_model, MAY_MISS).state_dict()
    assert all(torch.equal(pickled[name], expected[name]) for name in expected)


class Intruder:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.target,)


def test_a_pickle_that_brings_code_is_refused_and_not_run(small_model: Path, tmp_path: Path) -> None:
    folder = copy_of(small_model, tmp_path / "model")
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state | {"intruder": Intruder(tmp_path / "was-here")}, folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        weights.load_pretrained(Wav2Vec2BertModel, folder, MAY_MISS)
    assert not (tmp_path / "was-here").exists()


def test_missing_weights_are_not_made_up(small_model: Path, tmp_path: Path) -> None:
    folder = copy_of(small_model, tmp_path / "model")
    state = load_file(folder / "model.safetensors")
    gone = "encoder.layers.0.self_attn.linear_q.weight"
    save_file(
        {k: v for k, v in state.items() if k not in (gone, *MAY_MISS)}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(WeightsError, match=rf"1 are missing and 0 have another shape \({gone}"):
        weights.load_pretrained(Wav2Vec2BertModel, folder, MAY_MISS)


def test_weights_of_another_size(small_model: Path, tmp_path: Path) -> None:
    folder = copy_of(small_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 256}))
    with pytest.raises(WeightsError, match=r"0 are missing and 12 have another shape"):
        weights.load_pretrained(Wav2Vec2BertModel, folder, MAY_MISS)


def test_a_damaged_file_of_weights(small_model: Path, tmp_path: Path) -> None:
    folder = copy_of(small_model, tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        weights.load_pretrained(Wav2Vec2BertModel, folder, MAY_MISS)


def test_shards_are_loaded(small_model: Path, tmp_path: Path) -> None:
    Wav2Vec2BertModel.from_pretrained(small_model).save_pretrained(tmp_path / "model", max_shard_size="100KB")
    (tmp_path / "model" / "preprocessor_config.json").write_bytes(
        (small_model / "preprocessor_config.json").read_bytes()
    )
    assert len(list((tmp_path / "model").glob("model-*.safetensors"))) > 1
    assert weights.model_folder(str(tmp_path / "model"), TYPES) == tmp_path / "model"
    assert torch.equal(*(next(iter(loaded(folder).parameters())) for folder in (tmp_path / "model", small_model)))


@pytest.mark.parametrize("name", ["x" * 10**5, "x" * 300, "x" * 200 + "/" + "y" * 10**4], ids=len)
def test_a_name_of_a_model_that_is_no_name(name: str) -> None:
    with pytest.raises(WeightsError) as caught:
        weights.model_folder(name, TYPES, lambda line: None)
    assert len(str(caught.value)) < 1200
