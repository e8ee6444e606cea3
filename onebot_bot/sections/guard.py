"""[guard]: what is neither answered nor said."""

from typing import Annotated

from msgspec import Meta

from onebot_bot.sections.base import Section


class GuardConfig(Section, frozen=True, kw_only=True):
    """[guard]: word lists, and what the model may not recite."""

    words_in: Annotated[
        str,
        Meta(
            description="A file beside config.toml, a word a line or a /pattern/: messages with one of them in it are "
            "neither answered nor recorded. Empty: none."
        ),
    ] = ""
    words_out: Annotated[
        str, Meta(description="The same for answers: one with such a word is not sent, and the log says why.")
    ] = ""
    recite: Annotated[
        bool, Meta(description="Send answers even if they have a long piece of the persona in them, word for word.")
    ] = False
    canary: Annotated[
        bool,
        Meta(
            description="Put a random mark into the system prompt, new at each start; an answer that has it in it is "
            "not sent. Small models are distracted by it."
        ),
    ] = False
    loops: Annotated[
        bool, Meta(description="Stop an answer that runs in circles, and send it up to its last whole sentence.")
    ] = True
    retry: Annotated[
        bool, Meta(description="Where an answer would repeat the one before, write another, less predictable one.")
    ] = True
