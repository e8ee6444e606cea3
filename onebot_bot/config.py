"""config.toml as msgspec Structs, one to one, and how it is read and checked; config_file.py edits and watches it.

Every key carries its range and a description; docs/configuration.md is made from them. A key is live (the next turn
sees the new value) unless its metadata says `restart`.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from onebot_bot.errors import ConfigError
from onebot_bot.sections.access import AccessConfig
from onebot_bot.sections.base import Section
from onebot_bot.sections.bot import BotConfig, CommandsConfig
from onebot_bot.sections.character import CharacterConfig
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.sections.guard import GuardConfig
from onebot_bot.sections.limits import LimitsConfig
from onebot_bot.sections.memory import LearningConfig, MemoryConfig
from onebot_bot.sections.model import GenerationConfig, ModelConfig, VisionConfig
from onebot_bot.sections.proactive import ProactiveConfig
from onebot_bot.sections.reading import ReadingConfig
from onebot_bot.sections.requests import RequestsConfig
from onebot_bot.sections.sending import RenderConfig, SendingConfig
from onebot_bot.sections.server import LogConfig, ServerConfig
from onebot_bot.sections.tags import TagsConfig

VERSION = 1
SECRET_KEYS = frozenset({"server.token"})


class Config(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The whole of config.toml."""

    version: Annotated[int, Meta(ge=1, description="Version of this file's layout; kept by the program.")] = VERSION
    bot: BotConfig = BotConfig()
    server: ServerConfig = ServerConfig()
    model: ModelConfig = ModelConfig()
    generation: GenerationConfig = GenerationConfig()
    character: CharacterConfig = CharacterConfig()
    chat: ChatConfig = ChatConfig()
    sending: SendingConfig = SendingConfig()
    render: RenderConfig = RenderConfig()
    tags: TagsConfig = TagsConfig()
    guard: GuardConfig = GuardConfig()
    vision: VisionConfig = VisionConfig()
    reading: ReadingConfig = ReadingConfig()
    commands: CommandsConfig = CommandsConfig()
    access: AccessConfig = AccessConfig()
    limits: LimitsConfig = LimitsConfig()
    requests: RequestsConfig = RequestsConfig()
    proactive: ProactiveConfig = ProactiveConfig()
    memory: MemoryConfig = MemoryConfig()
    learning: LearningConfig = LearningConfig()
    log: LogConfig = LogConfig()


class Key(Struct, frozen=True):
    """One key of config.toml, as documentation and commands see it."""

    path: str
    type: str
    default: Any
    description: str
    live: bool


def config_keys() -> Iterator[Key]:
    """Every key below a section, in file order."""
    for section in msgspec.structs.fields(Config):
        if not isinstance(section.default, Section):
            continue
        for item in msgspec.structs.fields(type(section.default)):
            meta = _metadata(item.type)
            extra = meta.extra if meta is not None and meta.extra else {}
            yield Key(
                path=f"{section.name}.{item.name}",
                type=_type_name(item.type, meta),
                default=getattr(section.default, item.name),
                description=(meta.description if meta is not None else None) or "",
                live=not extra.get("restart", False),
            )


def _metadata(annotated: Any) -> Meta | None:
    return next((m for m in getattr(annotated, "__metadata__", ()) if isinstance(m, Meta)), None)


def _type_name(annotated: Any, meta: Meta | None) -> str:
    bare = getattr(annotated, "__origin__", annotated)
    if getattr(bare, "__origin__", None) is list:
        return "list"
    if choices := getattr(bare, "__args__", ()):
        return " / ".join(str(c) for c in choices)
    name = str(getattr(bare, "__name__", bare))
    if meta is None:
        return name
    low = [f"≥ {meta.ge}"] if meta.ge is not None else [f"> {meta.gt}"] if meta.gt is not None else []
    high = [f"≤ {meta.le}"] if meta.le is not None else []
    return ", ".join([name, *low, *high])


# --- reading -----------------------------------------------------------------------------------------------------


def load_config(path: Path) -> Config:
    """Read and check `path`.

    Raises:
        ConfigError: the file is missing, is not TOML, has an unknown key or a value out of range.
    """
    return parse_config(read_text(path), path)


def parse_config(text: str, path: Path) -> Config:
    """Check the text of a config file; `path` only names it in errors.

    Raises:
        ConfigError: as `load_config`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}. Mend that line and save again.") from error
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_explain(str(error))}") from error
    if config.version > VERSION:
        raise too_new(path, config.version, VERSION)
    return config


def too_new(path: Path, version: object, known: int) -> ConfigError:
    """The error for a file that a newer program wrote."""
    return ConfigError(
        f"{path}: version {version!r} is not one this program knows (up to {known}). Update the program."
    )


def read_text(path: Path) -> str:
    """The file's text; raises ConfigError that says how to mend what stands in the way."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} does not exist. Start in the project's folder, or name the file with --config."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}. Save it as UTF-8.") from error


def _explain(message: str) -> str:
    """Put the key first and name the nearest known key: `chat.merge_windw: unknown; did you mean merge_window?`."""
    where = re.search(r" - at `\$\.?(.*?)`$", message)
    section = where.group(1) if where else ""
    plain = message[: where.start()] if where else message
    unknown = re.search(r"unknown field `(.*)`", plain)
    if unknown is None:
        return f"{section or 'top level'}: {plain}"
    key = unknown.group(1)
    names = _key_names(section)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known keys here: {', '.join(names)}."
    return f"{f'{section}.{key}' if section else key}: unknown key; {hint}"


def _key_names(section: str) -> list[str]:
    owner = getattr(Config(), section, None) if section else Config()
    return [f.name for f in msgspec.structs.fields(owner)] if isinstance(owner, Struct) else []


# --- key by key ---------------------------------------------------------------------------------------------------


def get_key(config: Config, key: str) -> Any:
    """The value at `section.name`.

    Raises:
        ConfigError: there is no such key; the text names the nearest.
    """
    section, _, name = key.partition(".")
    owner = getattr(config, section, None)
    if isinstance(owner, Section) and name in type(owner).__struct_fields__:
        return getattr(owner, name)
    near = difflib.get_close_matches(key, [k.path for k in config_keys()], n=1, cutoff=0.4)
    raise ConfigError(f"{key}: no such key" + (f"; did you mean `{near[0]}`?" if near else "."))


def changed_keys(old: Config, new: Config) -> list[Key]:
    """The keys whose values differ, in file order."""
    return [key for key in config_keys() if get_key(old, key.path) != get_key(new, key.path)]


def shown_value(key: str, value: Any) -> str:
    """A value as a person may see it: secrets are masked."""
    return "***" if key in SECRET_KEYS and value not in ("", "auto") else repr(value)
