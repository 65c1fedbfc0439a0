import math

import pytest
import torch

from byols.log_mel import LogMel, mean_and_deviation, safe_std
from novaspeech.audio.windows import WindowBatch
from novaspeech.errors import RecordingError
from tests.byols.references import log_mel
from tests.references import assert_close

FRONT_END = LogMel(torch.device("cpu"))


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    """Bursts of noise, so that frames differ."""
    signal = torch.randn(samples, generator=torch.Generator().manual_seed(seed)) * 0.1
    return signal * torch.sin(torch.arange(samples) / 1500) ** 2


@pytest.mark.parametrize("samples", [513, 600, 1600, 16000, 16037, 16159])
def test_librosas_spectrogram(samples: int) -> None:
    signal = noise(samples)
    found = FRONT_END.of_windows(signal[None])[0].numpy()
    assert_close(found, log_mel(signal.numpy()), 1e-4)


@pytest.mark.parametrize("length", [513, 540, 759, 760, 1600, 16000, 16001, 16120, 16159])
@pytest.mark.parametrize("hop", [160, 800, 1600, 400, 16000, 20000])
def test_neighbouring_windows_are_what_each_is_alone(length: int, hop: int) -> None:
    signal = noise(6 * hop + length)
    batch = WindowBatch(signal, length, hop)
    found = FRONT_END.of_batch(batch)
    assert found.shape == (7, 64, 1 + length // 160)
    alone = torch.stack([FRONT_END.of_windows(window[None])[0] for window in batch.windows])
    assert_close(found.numpy(), alone.numpy(), 1e-6)


@pytest.mark.parametrize("sizes", [[513], [512, 1], [100, 400, 13, 1, 200], [16000] * 3 + [37], [0, 7000, 0, 159, 1]])
def test_a_signal_in_blocks_is_that_of_the_whole(sizes: list[int]) -> None:
    signal = noise(sum(sizes))
    pieces = list(FRONT_END.of_signal(signal.split(sizes)))
    assert_close(torch.cat(pieces, dim=1).numpy(), FRONT_END.of_windows(signal[None])[0].numpy(), 1e-6)


def test_a_signal_that_is_too_short() -> None:
    with pytest.raises(RecordingError, match=r"32\.0 ms of audio are too short .* needs 32\.1 ms"):
        list(FRONT_END.of_signal([noise(512)]))


def test_silence_and_nothing_have_no_deviation_to_divide_by() -> None:
    mean, deviation, _ = mean_and_deviation(FRONT_END.of_signal(torch.zeros(100_000).split(3333)))
    assert math.isclose(mean, math.log(2**-23), rel_tol=1e-6)
    assert deviation < 1e-6
    assert safe_std(deviation) == 1
    assert mean_and_deviation([torch.full((64, 3), torch.nan)]) == (0, 0, 3)
    assert safe_std(0.001) == 0.001
