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
    │   └── RequestError       this one request cannot be served by this model
    ├── LearningError          a night cannot learn, or what it made cannot be used
    ├── StoreError             the database or the index cannot be used
    └── CommandError           what a person typed as a command cannot be done

Messages are for the person who has to act on them: they name the file, key or command and the fix.
"""


class BotError(Exception):
    """Base of every error raised on purpose; its text is fit to be shown to the operator."""


class ConfigError(BotError):
    """config.toml is missing, malformed or has a value out of range."""


class PersonaError(BotError):
    """A persona file is malformed, too large, or a template in it is wrong."""


class FrameError(BotError):
    """A WebSocket frame is not JSON, or not a OneBot v11 object."""


class ActionError(BotError):
    """An action did not come back with `status: ok`."""


class NotConnected(ActionError):
    """The account has no open connection that takes actions, so nothing was sent."""


class ActionFailed(ActionError):
    """The OneBot client answered `failed`: what was asked was not done."""

    def __init__(self, action: str, retcode: int, wording: str) -> None:
        super().__init__(f"{action} failed with retcode {retcode}: {wording}")
        self.action = action
        self.retcode = retcode
        self.wording = wording


class ActionUnknown(ActionError):
    """No answer came in time, or QQ's own confirmation did not: the action may have been done.

    Never repeat the action on this error: a message would be sent twice.
    """


class StaleAnswer(BotError):
    """An answer would come too late, because of the messages before it in the account's queue; it is not sent."""


class MediaError(BotError):
    """A picture or a file could not be fetched, is too large, or its address is refused."""


class MediaTooLarge(MediaError):
    """A picture or a file is larger than may be fetched."""


class MediaBroken(MediaError):
    """A picture or a video cannot be decoded, or had better not be."""


class ReadingError(BotError):
    """What was sent has no words that could be shown to the model."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        """As the catalogue's keys `read.why_...` end."""


class RenderError(BotError):
    """A text cannot be drawn as a picture: a font is missing, it would be too tall, or drawing took too long."""


class FetchError(BotError):
    """A model could not be downloaded or does not match its checksum."""


class ModelError(BotError):
    """The model folder cannot be loaded, or the model cannot go on."""


class ProfileError(ModelError):
    """The model of a profile is not to be had; the main one is."""

    def __init__(self, profile: str, reason: str) -> None:
        super().__init__(f"profiles.{profile}: {reason}")
        self.profile = profile


class RequestError(ModelError):
    """One request cannot be served: the prompt does not fit, or a parameter is out of range."""


class LearningError(BotError):
    """A night cannot learn or has to end: no room, a loss that is no number, a damaged or refused adapter."""


class StoreError(BotError):
    """The database or the vector index cannot be opened, read or written."""


class CommandError(BotError):
    """A command cannot be carried out as typed; the text is shown to the person who typed it."""
