"""The access token: from `server.token` in config.toml to the word itself."""

import os
import secrets
import tempfile
from pathlib import Path

from onebot_bot.errors import ConfigError
from onebot_bot.private import FOLDER
from onebot_bot.sections.server import ServerConfig

TOKEN_FILE = Path("memory_store") / "token"
"""Where `auto` keeps it, beside config.toml."""
_ENVIRONMENT = "env:"
_RANDOM_BYTES = 24


def read_token(config: ServerConfig, folder: Path, *, create: bool) -> str:
    """The access token that `server.token` stands for; empty when none is asked for.

    Args:
        config: the [server] section.
        folder: where config.toml lies.
        create: make the token of `auto` if there is none yet, readable by the owner only.

    Raises:
        ConfigError: the environment variable is not set, or the file is missing or cannot be used.
    """
    if config.token.startswith(_ENVIRONMENT):
        return _from_environment(config.token.removeprefix(_ENVIRONMENT))
    if config.token != "auto":  # noqa: S105 - a way to get one, not a secret
        return config.token
    path = folder / TOKEN_FILE
    if token := _from_file(path):
        return token
    if not create:
        raise ConfigError(
            f'server.token is "auto" and {path} does not exist yet: the bot makes it at its first start. '
            "Start the bot once with `make run` or `onebot-bot run`.",
            code="OB-1004",
        )
    return _made(path)


def _from_environment(name: str) -> str:
    token = os.environ.get(name, "").strip()
    if not token:
        raise ConfigError(
            f'server.token is "{_ENVIRONMENT}{name}", but the environment variable {name} is not set. '
            'Set it to the token, or set server.token = "auto" in config.toml.',
            code="OB-1004",
        )
    return token


def _from_file(path: Path) -> str:
    """What the file holds; empty when there is none, or nothing in it."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except NotADirectoryError as error:
        place = next((parent for parent in path.parents if parent.is_file()), path.parent)
        raise ConfigError(
            f'server.token is "auto" and kept in {path}, which cannot be: {place} is no folder. Move it away.',
            code="OB-1004",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f'server.token is "auto", but {path} cannot be read: {error}. '
            "Let the user who runs the bot read it, or delete it and a new one is made at the next start.",
            code="OB-1004",
        ) from error


def _made(path: Path) -> str:
    token = secrets.token_urlsafe(_RANDOM_BYTES)
    try:
        path.parent.mkdir(FOLDER, parents=True, exist_ok=True)
        _write(path, token)
    except OSError as error:
        raise ConfigError(
            f'server.token is "auto", but {path} cannot be written: {error}. '
            "Let the user who runs the bot write there, or set server.token to a token of your own.",
            code="OB-1004",
        ) from error
    return token


def _write(path: Path, token: str) -> None:
    """Put the file there whole, with mode 600 from the first byte on: that is how `mkstemp` opens it."""
    handle, temporary = tempfile.mkstemp(prefix=".token.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{token}\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
