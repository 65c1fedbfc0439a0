"""The errors of novaspeech: each says what is wrong, where, and what would be right, in one line."""


class NovaspeechError(Exception):
    """Base of every error that novaspeech raises on purpose."""


class OptionError(NovaspeechError, ValueError):
    """An option of the job is unknown, of the wrong type or out of range."""


class RequestError(NovaspeechError, ValueError):
    """The request names inputs, outputs or windows that cannot be served."""


class RecordingError(NovaspeechError, OSError):
    """A recording cannot be read."""


class WeightsError(NovaspeechError, OSError):
    """A model's files cannot be had, or are those of another model."""


class ModelError(NovaspeechError, RuntimeError):
    """A model computed something that cannot be used."""


class PackageError(NovaspeechError, ImportError):
    """A package that an extra of novaspeech brings is not installed."""


def first_line(error: BaseException) -> str:
    """The first line of what an error of another library says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
