"""[tags]: faces, mentions, stickers and gestures that the model may put into its answers."""

from typing import Annotated, Literal

from msgspec import Meta, field

from onebot_bot.sections.base import Section

TagKind = Literal["face", "at", "reply", "sticker", "react", "poke"]

FACES = (
    *("微笑", "偷笑", "笑哭", "可爱", "害羞", "得意", "委屈", "流泪"),
    *("大哭", "疑问", "惊讶", "无奈", "捂脸", "吃瓜", "爱心", "赞"),
)


class TagsConfig(Section, frozen=True, kw_only=True):
    """[tags]: what the model may send besides words, by writing tags such as `[face:微笑]`."""

    mode: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="Whether the model is told of tags and they are carried out: `on`; `auto`: with a model of at "
            "least a billion parameters; `off`: what it writes is sent as it is."
        ),
    ] = "auto"
    kinds: Annotated[
        list[TagKind],
        Meta(description="Which: face, at (a mention), reply (a quote), sticker, react (an emoji on a message), poke."),
    ] = field(default_factory=lambda: ["face", "at", "reply", "sticker", "react", "poke"])
    per_answer: Annotated[
        int, Meta(ge=1, le=20, description="Most tags of one answer that are carried out; the others are left out.")
    ] = 4
    faces: Annotated[
        list[str], Meta(description="Names of QQ faces that the model is told; it may use all others that QQ has, too.")
    ] = field(default_factory=lambda: list(FACES))
    emotion_stickers: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How often an answer without a sticker gets one that goes by the name of its emotion.",
        ),
    ] = 0.2
    stickers: Annotated[
        str,
        Meta(
            description="Folder of stickers (PNG, JPEG, GIF, WebP), relative to this file: a picture is chosen by its "
            "name, or by the name of the sub-folder that it lies in, such as an emotion."
        ),
    ] = "stickers"
