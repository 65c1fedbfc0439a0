"""BYOL-S (Scheidwasser-Clow et al. 2022, arXiv 2110.03414; Elbanna et al. 2022, arXiv 2203.16637) over time."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import novaspeech  # noqa: F401  before torch, whose threads read what it sets
from byols.checkpoint import load_model
from byols.encoder import BYOLSEncoder
from byols.options import BYOLSOptions
from novaspeech.errors import OptionError, naming
from novaspeech.models.downloads import fetch
from novaspeech.module.output import Output
from novaspeech.module.processor import SpeechProcessor
from novaspeech.module.session import Results, Session
from novaspeech.wording import advice


class BYOLS(SpeechProcessor):
    """The server's entry."""

    options_class = BYOLSOptions
    options: BYOLSOptions
    encoder: BYOLSEncoder
    outputs = (Output("embeddings", aliases=("embedding",)), Output("scene", whole=True))

    def load_encoder(self) -> BYOLSEncoder:
        return BYOLSEncoder(load_model(self._checkpoint(), self.options.encoder), self.options.compute)

    def process(self, session: Session) -> Results:
        results: Results = {}
        if "scene" in session.asked:  # first, since it may be refused
            heard = session.without_gaps()
            if heard is None:
                session.log("nothing but silence: zeros in scene")
            with naming("output 'scene'", f"; {session.inputs.wording.without('scene')}"):
                results["scene"] = self.encoder.no_scene if heard is None else self.encoder.scene(heard, session.log)
        return results | session.encode(session.asked - {"scene"})

    def _checkpoint(self) -> str | Path:
        if self.options.model:
            return self.options.model
        published = {uri.uri_id: uri for uri in self.trainer.meta_uri}
        if self.options.encoder not in published:
            raise OptionError(
                f"there is no published checkpoint of encoder {self.options.encoder!r}; if you have one, "
                f"{advice('model', 'FILE')}; or choose one of {', '.join(published)}"
            )
        return fetch(published[self.options.encoder], self.log)
