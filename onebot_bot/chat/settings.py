"""The sections of config.toml that a chat reads, once a turn: one turn sees one configuration."""

from collections.abc import Mapping
from functools import lru_cache

import msgspec
from msgspec import Struct

from onebot_bot.config import Config
from onebot_bot.engine.request import SamplingParams
from onebot_bot.memory.branches import Branch
from onebot_bot.sections.access import AccessConfig
from onebot_bot.sections.bot import BotConfig, CommandsConfig
from onebot_bot.sections.character import CharacterConfig
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.sections.limits import LimitsConfig
from onebot_bot.sections.memory import MemoryConfig
from onebot_bot.sections.model import GenerationConfig
from onebot_bot.sections.own import OwnConfig
from onebot_bot.sections.proactive import ProactiveConfig
from onebot_bot.sections.profiles import ProfileConfig
from onebot_bot.sections.requests import RequestsConfig
from onebot_bot.sections.sending import RenderConfig, SendingConfig
from onebot_bot.sections.server import LogConfig
from onebot_bot.sections.tags import TagsConfig


class Settings(Struct, frozen=True):
    """What a session may know of the configuration."""

    bot: BotConfig
    chat: ChatConfig
    generation: GenerationConfig
    memory: MemoryConfig
    log: LogConfig
    sending: SendingConfig = SendingConfig()
    render: RenderConfig = RenderConfig()
    tags: TagsConfig = TagsConfig()
    access: AccessConfig = AccessConfig()
    limits: LimitsConfig = LimitsConfig()
    requests: RequestsConfig = RequestsConfig()
    commands: CommandsConfig = CommandsConfig()
    character: CharacterConfig = CharacterConfig()
    proactive: ProactiveConfig = ProactiveConfig()
    profiles: Mapping[str, ProfileConfig] = {}
    profile: str = ""
    """The one of them by which all this is; empty: the main model's own."""
    own: OwnConfig = OwnConfig()


def settings_of(config: Config) -> Settings:
    """What of the whole configuration that is."""
    return Settings(
        *(config.bot, config.chat, config.generation, config.memory, config.log, config.sending, config.render),
        *(config.tags, config.access, config.limits, config.requests, config.commands, config.character),
        *(config.proactive, config.profiles),
        own=config.own,
    )


@lru_cache(maxsize=16)  # nearly every turn asks about the same
def sampling_of(config: GenerationConfig) -> SamplingParams:
    """How tokens are chosen, as the configuration says."""
    return SamplingParams(
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        min_p=config.min_p,
        repetition_penalty=config.repetition_penalty,
        presence_penalty=config.presence_penalty,
        seed=None if config.seed < 0 else config.seed,
        max_new_tokens=config.max_new_tokens,
        max_thinking_tokens=config.max_thinking,
    )


def with_own(settings: Settings, branch: Branch) -> Settings:
    """The settings as they hold in a branch with settings of its own."""
    if not branch.settings:
        return settings
    generation: GenerationConfig = msgspec.structs.replace(settings.generation, **branch.settings)
    if "max_new_tokens" in branch.settings:  # the bound may have been lowered since
        most = max(settings.own.max_tokens, settings.generation.max_new_tokens)
        generation = msgspec.structs.replace(generation, max_new_tokens=min(generation.max_new_tokens, most))
    return msgspec.structs.replace(settings, generation=generation)
