"""The sections of config.toml that a chat reads, once a turn: one turn sees one configuration."""

from msgspec import Struct

from onebot_bot.config import BotConfig, ChatConfig, GenerationConfig, LogConfig, MemoryConfig


class Settings(Struct, frozen=True):
    """What a session may know of the configuration."""

    bot: BotConfig
    chat: ChatConfig
    generation: GenerationConfig
    memory: MemoryConfig
    log: LogConfig
