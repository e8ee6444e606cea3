"""config.toml as msgspec Structs, one to one, and how it is read and checked; config_file.py edits and watches it.

Every key carries its range and a description; docs/configuration.md is made from them. A key is live (the next turn
sees the new value) unless its metadata says `restart`.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct, field

from onebot_bot.errors import ConfigError
from onebot_bot.hours import parse_share, parse_span

VERSION = 1
RESTART = {"restart": True}
SECRET_KEYS = frozenset({"server.token"})

Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]

Mode = Literal["on", "observe", "shadow", "off"]
"""`observe`: listen and learn, never speak; `shadow`: what would be said is only logged; `off`: do not even listen."""


class Section(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of every table in config.toml: unknown keys are errors."""


class BotConfig(Section, frozen=True, kw_only=True):
    """[bot]: who the bot is and whom it obeys."""

    names: Annotated[
        list[str], Meta(description="Names the bot answers to in a group without being mentioned with @.")
    ] = field(default_factory=lambda: ["小忆"])
    owners: Annotated[
        list[Annotated[int, Meta(ge=1)]],
        Meta(description="QQ numbers that may use every command and are told about failures."),
    ] = field(default_factory=list)
    language: Annotated[
        Literal["zh", "en"], Meta(description="Language of what the bot itself says (commands, errors).")
    ] = "zh"
    persona: Annotated[str, Meta(description="System prompt. Empty: no system turn is rendered.")] = (
        "You are Xiaoyi, a warm and witty friend chatting on QQ. Answer briefly and naturally."
    )


class ServerConfig(Section, frozen=True, kw_only=True):
    """[server]: the WebSocket endpoint that NapCat dials into."""

    host: Annotated[
        str,
        Meta(
            description="Address to listen on. 127.0.0.1: this machine only; 0.0.0.0: LAN and Docker.",
            extra=RESTART,
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="TCP port to listen on.", extra=RESTART)] = 6790
    token: Annotated[
        str,
        Meta(
            description="Access token. `auto`: made at the first start and kept in memory_store/token; "
            "`env:NAME`: read from the environment; empty: none, accepted on loopback only.",
            extra=RESTART,
        ),
    ] = "auto"  # noqa: S105 - a way to get one, not a secret
    max_frame_mib: Annotated[int, Meta(ge=64, le=1024, description="Largest frame accepted, MiB.", extra=RESTART)] = 64
    ping_interval: Annotated[float, Meta(gt=0, description="Seconds between WebSocket pings.", extra=RESTART)] = 20.0
    ping_timeout: Annotated[
        float,
        Meta(ge=5, description="Seconds without a pong before a link counts as dead.", extra=RESTART),
    ] = 20.0
    action_timeout: Annotated[
        float, Meta(ge=1, description="Seconds to wait for an action's reply, before the allowance for its size.")
    ] = 20.0
    gap_messages: Annotated[
        int, Meta(ge=0, le=200, description="Messages asked of each recent chat after a reconnect. 0: none.")
    ] = 20


class ModelConfig(Section, frozen=True, kw_only=True):
    """[model]: the language model in the process."""

    path: Annotated[
        str,
        Meta(
            description="Model folder (safetensors in the Hugging Face layout, or one GGUF file), relative to "
            "config.toml. "
            "`echo`: no model, the bot repeats what it is told, to test a connection.",
            extra=RESTART,
        ),
    ] = "models/trial"
    device: Annotated[str, Meta(description="`auto`, `cpu`, `cuda` or `cuda:N`.", extra=RESTART)] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Meta(
            description="Weights' type. `auto`: bfloat16 where the device computes in it, else float16 on CUDA "
            "and float32 on a CPU.",
            extra=RESTART,
        ),
    ] = "auto"
    weights: Annotated[
        Literal["full", "int8", "int4"],
        Meta(
            description="How the weights are kept to serve. `full`: as `dtype` says; `int8`, `int4`: a half and a "
            "third of that, and faster on a CPU; on CUDA `int4` alone, by bitsandbytes. Training takes them whole.",
            extra=RESTART,
        ),
    ] = "full"
    fallback: Annotated[
        str,
        Meta(
            description="Model folder that serves where `path` does not fit into memory, relative to config.toml. "
            "Empty: none.",
            extra=RESTART,
        ),
    ] = ""
    threads: Annotated[int, Meta(ge=0, description="CPU threads of torch. 0: all cores but one.", extra=RESTART)] = 0
    max_context: Annotated[
        int,
        Meta(
            ge=0,
            description="Longest prompt plus answer, tokens. 0: the model's own window, at most 8192.",
            extra=RESTART,
        ),
    ] = 0
    max_running: Annotated[
        int, Meta(ge=1, le=64, description="Answers generated side by side; further ones queue.", extra=RESTART)
    ] = 4


class GenerationConfig(Section, frozen=True, kw_only=True):
    """[generation]: how the next token is chosen, and when to stop."""

    temperature: Annotated[float, Meta(ge=0, le=2, description="0: always the most likely token.")] = 0.7
    top_p: Annotated[float, Meta(gt=0, le=1, description="Nucleus mass kept. 1: off.")] = 0.9
    top_k: Annotated[int, Meta(ge=0, description="Most likely tokens kept. 0: off.")] = 40
    min_p: Annotated[float, Meta(ge=0, le=1, description="Least share of the top token's probability.")] = 0.0
    repetition_penalty: Annotated[float, Meta(ge=0.5, le=2, description="1: off.")] = 1.1
    presence_penalty: Annotated[float, Meta(ge=-2, le=2, description="0: off.")] = 0.0
    seed: Annotated[int, Meta(ge=-1, description="-1: a new one for every answer.")] = -1
    max_new_tokens: Annotated[int, Meta(ge=1, le=32768, description="Longest answer, thinking included.")] = 256
    timeout: Annotated[float, Meta(gt=0, description="Seconds an answer may take, waiting included.")] = 180.0
    thinking: Annotated[bool, Meta(description="Let models that can think do so before they answer.")] = False
    max_thinking: Annotated[
        int,
        Meta(ge=0, le=32768, description="Longest thought, tokens; then it is closed. 0: no bound."),
    ] = 0


class ChatConfig(Section, frozen=True, kw_only=True):
    """[chat]: when the bot answers and how its answers are sent."""

    merge_window: Annotated[
        float, Meta(ge=0, le=30, description="Seconds of quiet after which a person's messages count as one turn.")
    ] = 1.2
    merge_cap: Annotated[float, Meta(ge=0, le=120, description="Longest wait for one turn, seconds.")] = 6.0
    max_interrupts: Annotated[int, Meta(ge=0, le=20, description="Times a newer message may interrupt one answer.")] = 2
    max_bubbles: Annotated[int, Meta(ge=1, le=10, description="Most messages one answer is split into.")] = 3
    typing_speed: Annotated[float, Meta(ge=0, description="Characters a second between bubbles. 0: no delay.")] = 12.0
    max_delay: Annotated[float, Meta(ge=0, le=60, description="Longest delay before a bubble, seconds.")] = 4.0
    quote_in_group: Annotated[bool, Meta(description="Quote the message answered, in groups.")] = True
    history_messages: Annotated[
        int, Meta(ge=0, le=2000, description="Most past messages shown to the model; tokens limit it further.")
    ] = 60
    idle_minutes: Annotated[
        float, Meta(gt=0, description="Minutes of quiet after which a chat's task ends; its history stays.")
    ] = 30.0
    answer_within: Annotated[
        float, Meta(ge=0, description="After an outage, messages at most this many seconds old are answered.")
    ] = 300.0
    bots: Annotated[list[int], Meta(description="QQ numbers of other bots: heard, never answered.")] = field(
        default_factory=list
    )
    mode: Annotated[
        Mode,
        Meta(
            description="What the bot does in groups, where their admins did not decide: `on`; `observe`: it listens "
            "and learns and never speaks; `shadow`: the log alone gets its answers; `off`: it does not even listen."
        ),
    ] = "on"
    name_chance: Annotated[
        float, Meta(ge=0, le=1, description="How often it answers in a group where it is called by name, without an @.")
    ] = 0.9
    talk_value: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How often it considers a message of a group that does not call it; the model then chooses "
            "whether to say something. 0: never.",
        ),
    ] = 0.0
    talk_times: Annotated[
        list[str],
        Meta(description='Other talk values by time of day, such as "18:00-23:00 0.3"; the first that fits holds.'),
    ] = field(default_factory=list)
    quiet_hours: Annotated[
        str,
        Meta(description='Hours such as "23:00-07:00" in which only an @ or a quote of it is answered. Empty: none.'),
    ] = ""
    attention_seconds: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds after it spoke in which its talk value counts 2.5 times.")
    ] = 120.0
    answers_per_hour: Annotated[
        int,
        Meta(ge=1, le=1000, description="The nearer its answers of the last hour are to this, the less it joins in."),
    ] = 30
    exchanges_per_minute: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="Most answers to one account in a chat a minute: a bot nobody listed would go on. 0: no limit.",
        ),
    ] = 10

    def __post_init__(self) -> None:
        """Raise ValueError, which names the key, when a time of day is not written as one."""
        for key, parse, texts in (
            ("talk_times", parse_share, self.talk_times),
            ("quiet_hours", parse_span, [self.quiet_hours] if self.quiet_hours else []),
        ):
            try:
                for text in texts:
                    parse(text)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from error


class SendingConfig(Section, frozen=True, kw_only=True):
    """[sending]: how fast one account sends answers, all its chats together."""

    interval: Annotated[float, Meta(ge=0, le=60, description="Least seconds from one message to the next.")] = 0.5
    jitter: Annotated[float, Meta(ge=0, le=60, description="Up to so many seconds more, at random.")] = 0.5
    per_minute: Annotated[int, Meta(ge=0, le=600, description="Most messages in a minute. 0: no limit.")] = 40
    stale_after: Annotated[
        float,
        Meta(ge=0, description="An answer that would wait longer behind others is not sent, seconds; the log says so."),
    ] = 120.0


class RenderConfig(Section, frozen=True, kw_only=True):
    """[render]: long answers with tables, code or formulas as pictures, longer ones as bundles."""

    enabled: Annotated[bool, Meta(description="Send pictures; `/render` decides it for one chat.")] = True
    theme: Annotated[
        Literal["light", "dark", "pink", "blue", "green"], Meta(description="The colours of the pictures.")
    ] = "light"
    min_characters: Annotated[
        int,
        Meta(
            ge=1, description="From this length on, code, formulas and headings are sent as a picture; tables always."
        ),
    ] = 150
    max_characters: Annotated[
        int,
        Meta(ge=200, le=4000, description="Longer answers are sent as a bundle of forwarded messages."),
    ] = 2500
    timeout: Annotated[
        float, Meta(gt=0, le=120, description="Seconds for a picture; after that the answer is sent as text.")
    ] = 20.0


class VisionConfig(Section, frozen=True, kw_only=True):
    """[vision]: the pictures and videos that a model with eyes is shown."""

    max_pictures: Annotated[
        int,
        Meta(
            ge=0,
            le=32,
            description="Most pictures and videos shown at once, the newest; the others stay words. 0: none.",
        ),
    ] = 4
    picture_megapixels: Annotated[
        float,
        Meta(
            ge=0.01,
            le=16,
            description="Larger pictures are scaled down to this; the frames of a video share it. "
            "Qwen3-VL takes about 1000 tokens a megapixel.",
        ),
    ] = 0.8
    prompt_megapixels: Annotated[
        float, Meta(ge=0.01, le=64, description="Most of all pictures shown at once together; the newest are kept.")
    ] = 2.0
    max_mib: Annotated[float, Meta(gt=0, le=256, description="Largest picture or video fetched, MiB.")] = 20.0
    fetch_timeout: Annotated[
        float, Meta(gt=0, le=60, description="Longest an answer waits for pictures to be fetched, seconds.")
    ] = 8.0
    video_frames: Annotated[
        int,
        Meta(
            ge=0,
            le=16,
            description="Frames shown of a video, evenly spaced; takes PyAV (the extra `video`). 0: videos stay words.",
        ),
    ] = 4
    store_mib: Annotated[
        int,
        Meta(ge=1, le=65536, description="Room for pictures in memory_store/pictures, MiB; the oldest make way."),
    ] = 256


class CommandsConfig(Section, frozen=True, kw_only=True):
    """[commands]: what is typed in a chat to steer the bot."""

    prefixes: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(description="What a command starts with.")] = (
        field(default_factory=lambda: ["/", "／"])
    )


class MemoryConfig(Section, frozen=True, kw_only=True):
    """[memory]: what the model may recall while it writes."""

    recall: Annotated[
        Literal["auto", "on", "off", "always"],
        Meta(
            description="`auto`: when the model was trained to ask; `on`: whenever it emits `<recall>`; "
            "`always`: every answer starts with one; `off`: never."
        ),
    ] = "auto"
    floor: Annotated[
        float,
        Meta(
            ge=-1,
            le=1,
            description="Least cosine of a memory that is recalled. 0: as calibrated when the model was trained, "
            "0.3 for one that was not.",
        ),
    ] = 0.0
    temperature: Annotated[
        float,
        Meta(ge=0, le=0.2, description="How a memory is chosen among the nearest. 0: the nearest; 0.02-0.05: varied."),
    ] = 0.0
    max_recalls: Annotated[int, Meta(ge=0, le=16, description="Most recalls in one answer.")] = 3
    embedding: Annotated[
        str,
        Meta(
            description="Folder of a Qwen3-Embedding model that makes the keys, relative to config.toml. "
            "Empty: the chat model's own states.",
            extra=RESTART,
        ),
    ] = ""


class LearningConfig(Section, frozen=True, kw_only=True):
    """[learning]: turning chats into memories, and the nights in which the bot trains itself."""

    def __post_init__(self) -> None:
        """Raise ValueError, which names the key, when the time zone is unknown."""
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"timezone: {self.timezone!r} is not known; use a name such as Asia/Shanghai") from error

    enabled: Annotated[bool, Meta(description="Hold nights by themselves; `/learn now` works either way.")] = True
    hour: Annotated[int, Meta(ge=0, le=23, description="Hour at which a night begins.")] = 2
    minute: Annotated[int, Meta(ge=0, le=59, description="Minute at which a night begins.")] = 0
    timezone: Annotated[str, Meta(min_length=1, description="Time zone of the hour, and of dates in chats.")] = (
        "Asia/Shanghai"
    )
    first_delay_days: Annotated[int, Meta(ge=0, le=365, description="Days before the first night.")] = 1
    interval_days: Annotated[int, Meta(ge=1, le=365, description="Days from one night to the next.")] = 1
    keep_versions: Annotated[int, Meta(ge=1, le=100, description="Trained versions kept for /learn rollback.")] = 3
    report: Annotated[bool, Meta(description="Tell the owner in the morning what was learned.")] = True
    extract: Annotated[
        Literal["auto", "model", "plain", "off"],
        Meta(
            description="How chats become memories. `model`: the model reads them; `plain`: only what people plainly "
            "say about themselves, by rules; `auto`: the model if it has at least a billion parameters; `off`: never."
        ),
    ] = "auto"
    quiet_minutes: Annotated[
        float, Meta(ge=0, le=1440, description="Minutes without a message after which a chat is read for memories.")
    ] = 3.0
    refine_idle: Annotated[bool, Meta(description="Refine memories' vectors while nobody waits for an answer.")] = True


class LogConfig(Section, frozen=True, kw_only=True):
    """[log]: what is written where."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level written.")] = "info"
    file: Annotated[str, Meta(description="Log file, relative to config.toml. Empty: none.", extra=RESTART)] = (
        "logs/bot.log"
    )
    content: Annotated[bool, Meta(description="Write message texts into the log.")] = True


class Config(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The whole of config.toml."""

    version: Annotated[int, Meta(ge=1, description="Version of this file's layout; kept by the program.")] = VERSION
    bot: BotConfig = BotConfig()
    server: ServerConfig = ServerConfig()
    model: ModelConfig = ModelConfig()
    generation: GenerationConfig = GenerationConfig()
    chat: ChatConfig = ChatConfig()
    sending: SendingConfig = SendingConfig()
    render: RenderConfig = RenderConfig()
    vision: VisionConfig = VisionConfig()
    commands: CommandsConfig = CommandsConfig()
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
