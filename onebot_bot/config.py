"""config.toml as msgspec Structs, one to one, and how it is read and checked; config_file.py edits and watches it.

Every key carries its range and a description; docs/configuration.md is made from them. A key is live (the next turn
sees the new value) unless its metadata says `restart`.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from onebot_bot.errors import ConfigError
from onebot_bot.sections.access import AccessConfig
from onebot_bot.sections.backup import BackupConfig
from onebot_bot.sections.base import Section
from onebot_bot.sections.bot import BotConfig, CommandsConfig
from onebot_bot.sections.character import CharacterConfig
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.sections.guard import GuardConfig
from onebot_bot.sections.limits import LimitsConfig
from onebot_bot.sections.memory import LearningConfig, MemoryConfig
from onebot_bot.sections.model import GenerationConfig, ModelConfig, VisionConfig
from onebot_bot.sections.own import OwnConfig
from onebot_bot.sections.proactive import ProactiveConfig
from onebot_bot.sections.profiles import MAIN, MOST, NAME, ProfileConfig
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
    profiles: dict[str, ProfileConfig] = field(default_factory=dict)
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
    own: OwnConfig = OwnConfig()
    memory: MemoryConfig = MemoryConfig()
    learning: LearningConfig = LearningConfig()
    backup: BackupConfig = BackupConfig()
    log: LogConfig = LogConfig()


class Key(Struct, frozen=True):
    """One key of config.toml, as documentation and commands see it."""

    path: str
    type: str
    default: Any
    description: str
    live: bool


def config_keys(profiles: Iterable[str] = ()) -> Iterator[Key]:
    """Every key below a section, in file order, then those of the profiles named."""
    for section in msgspec.structs.fields(Config):
        if isinstance(section.default, Section):
            yield from _section_keys(section.name, section.default)
    for name in profiles:
        yield from _section_keys(f"profiles.{name}", ProfileConfig())


def _section_keys(table: str, section: Section) -> Iterator[Key]:
    for item in msgspec.structs.fields(type(section)):
        meta = _metadata(item.type)
        extra = meta.extra if meta is not None and meta.extra else {}
        yield Key(
            path=f"{table}.{item.name}",
            type=_type_name(item.type, meta),
            default=getattr(section, item.name),
            description=(meta.description if meta is not None else None) or "",
            live=not extra.get("restart", False),
        )


def _metadata(annotated: Any) -> Meta | None:
    return next((m for m in getattr(annotated, "__metadata__", ()) if isinstance(m, Meta)), None)


def _type_name(annotated: Any, meta: Meta | None) -> str:
    bare = annotated.__origin__ if hasattr(annotated, "__metadata__") else annotated
    parts: tuple[Any, ...] = getattr(bare, "__args__", ())
    if type(None) in parts:
        inner = parts[0]  # one that may be left out
        return _type_name(inner, _metadata(inner))
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
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits, and lists as deep
        raise ConfigError(f"{path}: not valid TOML: {error}. Mend that line and save again.") from error
    _check_profiles(raw.get("profiles"), path)
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_explain(str(error))}") from error
    if config.chat.profile not in {MAIN, *config.profiles}:
        known = ", ".join([MAIN, *config.profiles])
        raise ConfigError(f"{path}: chat.profile: there is no profile {config.chat.profile!r}; known: {known}.")
    if config.version > VERSION:
        raise too_new(path, config.version, VERSION)
    return config


def _check_profiles(tables: object, path: Path) -> None:
    """Each for itself, before the whole: what is said of a table among many names none of them."""
    if not isinstance(tables, dict):
        return
    for name, table in tables.items():
        if not re.fullmatch(NAME, name):
            raise ConfigError(f"{path}: profiles.{name}: a profile's name is 1 to 32 of a-z, 0-9, _ and -.")
        if name == MAIN:
            raise ConfigError(
                f"{path}: profiles.{MAIN}: this is the main model's own name. Change [model] and [generation], "
                "or take another name."
            )
        try:
            msgspec.convert(table, ProfileConfig)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{path}: {_explain(str(error), ProfileConfig(), f'profiles.{name}')}") from error
    if len(tables) > MOST:
        raise ConfigError(f"{path}: profiles: there are {len(tables)}, and at most {MOST} may be.")


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


def _explain(message: str, owner: Section | None = None, table: str = "") -> str:
    """Put the key first and name the nearest known key: `chat.merge_windw: unknown; did you mean merge_window?`.

    With `owner` the message is about that alone, which is called `table`.
    """
    where = re.search(r" - at `\$\.?(.*?)`$", message)
    section = ".".join(part for part in (table, where.group(1) if where else "") if part)
    plain = message[: where.start()] if where else message
    unknown = re.search(r"unknown field `(.*)`", plain)
    if unknown is None:
        return f"{section or 'top level'}: {plain}"
    key = unknown.group(1)
    names = [item.name for item in msgspec.structs.fields(owner)] if owner is not None else _key_names(section)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known keys here: {', '.join(names)}."
    return f"{f'{section}.{key}' if section else key}: unknown key; {hint}"


def _key_names(section: str) -> list[str]:
    owner = getattr(Config(), section, None) if section else Config()
    return [f.name for f in msgspec.structs.fields(owner)] if isinstance(owner, Struct) else []


# --- key by key ---------------------------------------------------------------------------------------------------


def get_key(config: Config, key: str) -> Any:
    """The value at `section.name` or `profiles.NAME.name`; of a profile that is not there, the default.

    Raises:
        ConfigError: there is no such key; the text names the nearest.
    """
    section, _, name = key.rpartition(".")
    owner, profile = getattr(config, section, None), section.removeprefix("profiles.")
    if profile != section:
        owner = config.profiles.get(profile, ProfileConfig())
    if isinstance(owner, Section) and name in type(owner).__struct_fields__:
        return getattr(owner, name)
    known = config_keys([profile] if profile != section else ())
    near = difflib.get_close_matches(key, [k.path for k in known], n=1, cutoff=0.4)
    raise ConfigError(f"{key}: no such key" + (f"; did you mean `{near[0]}`?" if near else "."))


def changed_keys(old: Config, new: Config) -> list[Key]:
    """The keys whose values differ, in file order."""
    names = [*old.profiles, *(name for name in new.profiles if name not in old.profiles)]
    changed = [key for key in config_keys(names) if get_key(old, key.path) != get_key(new, key.path)]
    # A table that says nothing is a profile all the same, by the settings of all chats.
    told = {key.path.rpartition(".")[0] for key in changed}
    others = [f"profiles.{name}" for name in names if (name in old.profiles) != (name in new.profiles)]
    return changed + [Key(path, "table", None, "", live=True) for path in others if path not in told]


def shown_value(key: str, value: Any) -> str:
    """A value as a person may see it: secrets are masked."""
    return "***" if key in SECRET_KEYS and value not in ("", "auto") else repr(value)
