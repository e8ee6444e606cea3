"""Tags in what the model wrote: found, checked, and turned into segments and gestures. Pure functions.

A tag is `[kind:value]`, such as `[face:微笑]` or `[表情:微笑]`; what is no known tag or does not hold is left out, the
words stay. Inline ones become one private-use character each until messages are cut, so that no cut goes through one.
"""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct, field

from onebot_bot.chat.guards import label
from onebot_bot.protocol.actions import Action, FriendPoke, GroupPoke, SetMsgEmojiLike
from onebot_bot.protocol.faces import face_id
from onebot_bot.protocol.segments import At, Face, Segment, Text
from onebot_bot.sections.tags import TagKind
from onebot_bot.texts import Language, say

SPELLINGS: Mapping[str, TagKind] = {
    "face": "face",
    "表情": "face",
    "at": "at",
    "艾特": "at",
    "reply": "reply",
    "引用": "reply",
    "sticker": "sticker",
    "表情包": "sticker",
    "react": "react",
    "回应": "react",
    "poke": "poke",
    "戳一戳": "poke",
}
FIRST = 0xE000
"""The first of the private-use characters that stand for inline tags."""
MOST_TOLD = 40
"""Names of stickers that the model is told."""

_CHINESE = "|".join(sorted((name for name in SPELLINGS if not name.isascii()), key=len, reverse=True))
_TAG = rf"\[[ ]?(?P<kind>[A-Za-z_]{{2,16}}|{_CHINESE})[ ]?(?:(?P<colon>[:：])(?P<value>[^\[\]\n]{{0,300}}))?\](?!\()"
# How the model is shown what people send; it can send nothing by writing so.
_PRETENDED = r"\[(?:图片|语音|视频|聊天记录|picture|voice message|video|forwarded messages)\]"
_FOUND = re.compile(rf"(?P<code>```.*?(?:```|\Z)|`[^`\n]+`)|{_PRETENDED}|{_TAG}", re.DOTALL)
_ONLY_TAG = re.compile(_TAG)
_PRIVATE = re.compile(f"[{chr(FIRST)}-{chr(0xF8FF)}]")


class Person(Struct, frozen=True):
    """Somebody known in a chat."""

    user_id: int
    name: str
    message_id: int | None = None
    """Their last message."""


class Scene(Struct, frozen=True, kw_only=True):
    """What tags of an answer may refer to."""

    account: int
    group: int = 0
    """0 in private."""
    kinds: frozenset[TagKind]
    limit: int
    answered: Person
    """Who is answered, and the message that is."""
    people: tuple[Person, ...] = ()
    """Who is known in the chat, who wrote last first."""
    stickers: frozenset[str] = frozenset()
    """Their names in lower case."""
    recalled: str = ""
    """What came to mind: people's words, so that a tag in them is none."""


class Gesture(Struct, frozen=True):
    """Something to do besides speaking."""

    written: str
    """The tag, as it stays on record."""
    action: Action


class Tagged(Struct, frozen=True):
    """What the model wrote, with its tags understood."""

    text: str
    """With one private-use character for each inline tag."""
    inline: Mapping[str, tuple[str, Segment]] = field(default_factory=dict)
    """From such a character to the tag as it was written and the segment that it is."""
    gestures: tuple[Gesture, ...] = ()
    quoted: int | None = None
    """The message to quote; None: the model did not say."""
    sticker: tuple[str, str] | None = None
    """The tag as it was written, and the sticker's name in lower case."""

    @property
    def bare(self) -> str:
        """The words alone."""
        return _PRIVATE.sub("", self.text)


def read_tags(said: str, scene: Scene) -> Tagged:
    """The tags of an answer that hold in its scene; the others are cut out of it, but not from code."""
    reader = _Reader(scene)
    text = _FOUND.sub(reader.take, _PRIVATE.sub("", said)).strip()
    return Tagged(text, reader.inline, tuple(reader.gestures), reader.quoted, reader.sticker)


def untagged(said: str) -> Tagged:
    """An answer of a model that may use no tags: as it is, but for what would stand for one."""
    return Tagged(_PRIVATE.sub("", said))


def written(text: str, tagged: Tagged) -> str:
    """A piece of `tagged.text` with its tags as the model wrote them."""
    return _PRIVATE.sub(lambda found: tagged.inline[found[0]][0], text)


def segments_in(text: str, tagged: Tagged) -> tuple[Segment, ...]:
    """A piece of `tagged.text` as segments; empty when it holds no tag."""
    if not _PRIVATE.search(text):
        return ()
    found: list[Segment] = []
    for part in re.split(f"({_PRIVATE.pattern})", text):
        if part in tagged.inline:
            found.append(tagged.inline[part][1])
        elif part:
            # Without a space the name and the next word would be read as one.
            spaced = f" {part.lstrip(' ')}" if found and isinstance(found[-1], At) else part
            found.append(Text(spaced))
    return tuple(found)


def plainly(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Those segments as words, for a client that refuses them; faces are left out."""
    words = [f"@{part.name}" if isinstance(part, At) else part.text for part in segments if isinstance(part, At | Text)]
    return (Text("".join(words).strip()),)


def defused(text: str) -> str:
    """What people wrote, with what looks like a tag in other brackets: repeated by the model it is still none."""
    return _ONLY_TAG.sub(_bracketed, text) if "[" in text else text


def _bracketed(found: re.Match[str]) -> str:
    kind = SPELLINGS.get(found["kind"].casefold())
    return found[0] if kind in (None, "face") else f"［{found[0][1:-1]}］"


def guide(language: Language, kinds: frozenset[TagKind], limit: int, names: Mapping[str, tuple[str, ...]]) -> str:
    """What the model is told of tags; `names` holds those of faces and stickers. Empty when there are none."""
    order = dict.fromkeys(SPELLINGS.values())
    told = [kind for kind in order if kind in kinds and (kind not in names or names[kind])]
    lines = [say(language, f"tags.{kind}", names="、".join(names.get(kind, ())[:MOST_TOLD])) for kind in told]
    return "\n".join([say(language, "tags.guide", limit=limit), *lines]) if lines else ""


class _Reader:
    """Takes one tag after the other."""

    def __init__(self, scene: Scene) -> None:
        self.inline: dict[str, tuple[str, Segment]] = {}
        self.gestures: list[Gesture] = []
        self.quoted: int | None = None
        self.sticker: tuple[str, str] | None = None
        self._scene = scene
        self._taken = 0
        self._people = _by_name(scene)
        self._kinds: Mapping[TagKind, Callable[[str, str], str | None]] = {
            "face": self._face,
            "at": self._at,
            "reply": self._reply,
            "sticker": self._sticker,
            "react": self._react,
            "poke": self._poke,
        }

    def take(self, found: re.Match[str]) -> str:
        """What stands in the text instead of a tag."""
        if found["code"] is not None:
            return found[0]
        kind = SPELLINGS.get((found["kind"] or "").casefold())
        if kind is None:
            return found[0] if _is_words(found) else ""
        if kind not in self._scene.kinds or self._taken >= self._scene.limit:
            return ""
        if kind != "face" and found[0] in self._scene.recalled:
            return ""
        put = self._kinds[kind]((found["value"] or "").strip(), found[0])
        self._taken += put is not None
        return put or ""

    def _face(self, value: str, tag: str) -> str | None:
        number = face_id(value)
        return None if number is None else self._put(tag, Face(number))

    def _at(self, value: str, tag: str) -> str | None:
        person = self._person(value)
        if person is None or not self._scene.group:
            return None
        return self._put(tag, At(str(person.user_id), person.name or str(person.user_id)))

    def _put(self, tag: str, segment: Segment) -> str:
        mark = chr(FIRST + len(self.inline))
        self.inline[mark] = (tag, segment)
        return mark

    def _reply(self, value: str, _: str) -> str | None:
        person = self._person(value)
        if self.quoted is not None or person is None or person.message_id is None:
            return None
        self.quoted = person.message_id
        return ""

    def _sticker(self, value: str, tag: str) -> str | None:
        if self.sticker is not None or value.casefold() not in self._scene.stickers:
            return None
        self.sticker = (tag, value.casefold())
        return ""

    def _react(self, value: str, tag: str) -> str | None:
        message, emoji = self._scene.answered.message_id, emoji_id(value)
        if not self._scene.group or message is None or emoji is None:
            return None
        return self._do(Gesture(tag, SetMsgEmojiLike(message_id=message, emoji_id=emoji)))

    def _poke(self, value: str, tag: str) -> str | None:
        person = self._person(value)
        if person is None:
            return None
        if self._scene.group:
            return self._do(Gesture(tag, GroupPoke(group_id=self._scene.group, user_id=person.user_id)))
        return self._do(Gesture(tag, FriendPoke(user_id=self._scene.answered.user_id)))

    def _do(self, gesture: Gesture) -> str | None:
        """One gesture of a kind in an answer."""
        if any(type(other.action) is type(gesture.action) for other in self.gestures):
            return None
        self.gestures.append(gesture)
        return ""

    def _person(self, name: str) -> Person | None:
        """Without a name: who is answered; nobody is where the bot speaks first in a group."""
        if name:
            return self._people.get(name.removeprefix("@").strip().casefold())
        return self._scene.answered if self._scene.answered.user_id else None


def _is_words(found: re.Match[str]) -> bool:
    """`[laughs]`, `[Note: that]`, `[https://…]` and `list[a:b]` are; `[CQ:…]`, `[voice:…]` and `[图片]` are not."""
    kind, value = found["kind"], found["value"] or ""
    if kind is None or kind.casefold() == "cq":
        return False
    indexed = re.match(r"[A-Za-z0-9_)\]]", found.string[max(found.start() - 1, 0) :]) if found.start() else None
    return not found["colon"] or value.startswith((" ", "//")) or indexed is not None


def _by_name(scene: Scene) -> dict[str, Person]:
    """People by name, number, and both as in `Ann(5)`; of several of one name who is answered, else who wrote last."""
    found: dict[str, Person] = {}
    for person in (*reversed(scene.people), scene.answered):
        if person.user_id not in (0, scene.account):
            number, name = str(person.user_id), person.name.casefold()
            shown = label(person.name).casefold()
            found |= {key: person for key in (name, shown, number, f"{name}({number})", f"{shown}({number})") if key}
    return found


def emoji_id(value: str) -> str | None:
    """What `set_msg_emoji_like` takes for a face's name or an emoji; None when it is neither."""
    if (number := face_id(value)) is not None:
        return number
    bare = value.removesuffix("\ufe0f")
    return str(ord(bare)) if len(bare) == 1 and _is_emoji(bare) else None


def _is_emoji(character: str) -> bool:
    return 0x2600 <= ord(character) <= 0x27BF or 0x1F300 <= ord(character) <= 0x1FAFF
