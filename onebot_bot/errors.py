"""Every error this package raises on purpose.

The tree::

    BotError
    ├── ConfigError            config.toml is missing, malformed or out of range
    ├── PersonaError           a persona file or a template in it cannot be used
    ├── FrameError             a WebSocket frame is not OneBot v11
    ├── ActionError            an action did not come back ok
    │   ├── NotConnected       the account has no connection to send on
    │   ├── ActionFailed       the client answered `failed`: it was not done
    │   └── ActionUnknown      no answer, or an ambiguous one: it may have been done
    ├── MediaError             a picture or file could not be fetched
    │   ├── MediaTooLarge      because it is larger than may be fetched
    │   └── MediaBroken        or it was, and cannot be decoded
    ├── ReadingError           a file, a link or a picture has no words for the model
    ├── FetchError             a model could not be downloaded
    ├── ModelError             the model cannot be loaded or used
    │   ├── ProfileError       a profile's model cannot be loaded; the main one answers
    │   ├── ModelStalled       the model has not come back from a step for too long
    │   ├── NoRoom             the memory does not hold one answer
    │   ├── ModelExchanged     a smaller one serves, for memory did not hold it
    │   └── RequestError       this one request cannot be served by this model
    ├── LearningError          a night cannot learn, or what it made cannot be used
    ├── StoreError             the database or the index cannot be used
    │   └── DatabaseDamaged    because it is damaged: a backup can be put back
    └── CommandError           what a person typed as a command cannot be done

Messages are for the person who has to act on them: they name the file, key or command and the fix. Each error has an
id, such as OB-1201, by which docs/errors.md tells its cause and the next step (catalogue/failures.py).
"""

import re
from pathlib import Path
from typing import ClassVar

_SHOWN = re.compile(r"\[OB-\d{4}\]$", re.MULTILINE)


class BotError(Exception):
    """Base of every error raised on purpose; its text is fit to be shown to the operator.

    Args:
        words: the text.
        code: the id of this kind of it; the class's when None, and none when empty: a question is no failure.
    """

    code: ClassVar[str] = "OB-1000"

    def __init__(self, *words: object, code: str | None = None) -> None:
        super().__init__(*words)
        self.id = self.code if code is None else code


def id_of(error: BaseException, otherwise: str = BotError.code) -> str:
    """The error's id; `otherwise` for one that was not raised on purpose."""
    return error.id if isinstance(error, BotError) else otherwise


def with_id(text: str, code: str) -> str:
    """A text that a person reads, with the id at its end unless it carries one."""
    return text if not code or _SHOWN.search(text) else f"{text} [{code}]"


def named(error: BaseException, otherwise: str = BotError.code) -> str:
    """What the error says, with its id."""
    return with_id(str(error) or type(error).__name__, id_of(error, otherwise))


class ConfigError(BotError):
    """config.toml is missing, malformed or has a value out of range."""

    code = "OB-1001"


class PersonaError(BotError):
    """A persona file is malformed, too large, or a template in it is wrong."""

    code = "OB-1006"


class FrameError(BotError):
    """A WebSocket frame is not JSON, or not a OneBot v11 object."""

    code = "OB-1110"


class ActionError(BotError):
    """An action did not come back with `status: ok`."""

    code = "OB-1120"


class NotConnected(ActionError):
    """The account has no open connection that takes actions, so nothing was sent."""

    code = "OB-1121"


class ActionFailed(ActionError):
    """The OneBot client answered `failed`: what was asked was not done."""

    code = "OB-1122"

    def __init__(self, action: str, retcode: int, wording: str) -> None:
        super().__init__(f"{action} failed with retcode {retcode}: {wording}")
        self.action = action
        self.retcode = retcode
        self.wording = wording


class ActionUnknown(ActionError):
    """No answer came in time, or QQ's own confirmation did not: the action may have been done.

    Never repeat the action on this error: a message would be sent twice.
    """

    code = "OB-1123"


class StaleAnswer(BotError):
    """An answer would come too late, because of the messages before it in the account's queue; it is not sent."""

    code = "OB-1124"


class MediaError(BotError):
    """A picture or a file could not be fetched, is too large, or its address is refused."""

    code = "OB-1501"


class MediaTooLarge(MediaError):
    """A picture or a file is larger than may be fetched."""

    code = "OB-1502"


class MediaBroken(MediaError):
    """A picture or a video cannot be decoded, or had better not be."""

    code = "OB-1503"


class ReadingError(BotError):
    """What was sent has no words that could be shown to the model."""

    code = "OB-1510"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        """As the catalogue's keys `read.why_...` end."""


class RenderError(BotError):
    """A text cannot be drawn as a picture: a font is missing, it would be too tall, or drawing took too long."""

    code = "OB-1520"


class FetchError(BotError):
    """A model could not be downloaded or does not match its checksum."""

    code = "OB-1601"


class ModelError(BotError):
    """The model folder cannot be loaded, or the model cannot go on."""

    code = "OB-1201"


class ProfileError(ModelError):
    """The model of a profile is not to be had; the main one is."""

    code = "OB-1210"

    def __init__(self, profile: str, reason: str) -> None:
        super().__init__(f"profiles.{profile}: {reason}")
        self.profile = profile


class ModelStalled(ModelError):
    """The model's thread does not come back from a step: a kernel or a driver hangs."""

    code = "OB-1221"

    def __init__(self, seconds: float, limit: float) -> None:
        super().__init__(
            f"the model has not finished a step for {seconds:.0f} s (model.stall is {limit:g}): a kernel or the "
            "driver hangs, or the machine is far too slow for this model; see the log for where it is"
        )
        self.seconds = seconds


class NoRoom(ModelError):
    """The memory does not hold one answer, however short its context, and no smaller model could take over."""

    code = "OB-1223"

    def __init__(self) -> None:
        super().__init__(
            "the memory ran out even for this answer alone: lower model.max_context or generation.max_new_tokens, set "
            'model.weights to "int8" (on a CPU) or "int4", or name a smaller model in model.fallback'
        )


class ModelExchanged(ModelError):
    """Another model serves from now on."""

    code = "OB-1224"


class RequestError(ModelError):
    """One request cannot be served: the prompt does not fit, or a parameter is out of range."""

    code = "OB-1211"


class LearningError(BotError):
    """A night cannot learn or has to end: no room, a loss that is no number, a damaged or refused adapter."""

    code = "OB-1401"


class StoreError(BotError):
    """The database or the vector index cannot be opened, read or written."""

    code = "OB-1301"


class DatabaseDamaged(StoreError):
    """The database file is damaged, or none at all."""

    code = "OB-1303"

    def __init__(self, path: Path, reason: str, way_back: str = "") -> None:
        super().__init__(
            f"{path} is damaged or no database ({reason}). "
            + (way_back or "`onebot-bot restore` lists the backups and puts one back")
            + "; or move it and its -wal and -shm files away to start empty."
        )
        self.path = path
        self.reason = reason


class CommandError(BotError):
    """A command cannot be carried out as typed; the text is shown to the person who typed it."""

    code = "OB-2000"
