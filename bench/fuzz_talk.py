"""Targets of fuzz.py for words: what people type, and what a model writes that was talked into it."""

import json
from datetime import date
from pathlib import Path
from random import Random

import msgspec

from bench import fuzz_values as values
from bench.fuzz_wire import EVENTS, SEGMENTS, segments
from onebot_bot.characters.feelings import take_emotion
from onebot_bot.chat import lines
from onebot_bot.chat.cards import LONGEST as LONGEST_CARD
from onebot_bot.chat.cards import card_line, other_card
from onebot_bot.chat.guards import LoopWatch, clean_name, label, unforged, without_speakers
from onebot_bot.chat.keeping import MOST_BYTES, worth_keeping
from onebot_bot.chat.readable import pieces, readable
from onebot_bot.chat.reply import form_of, split_bundle, split_reply, spoken
from onebot_bot.chat.sources import sources_in
from onebot_bot.chat.tags import Person, Scene, defused, read_tags, segments_in, untagged, written
from onebot_bot.chat.wordlist import parse_words
from onebot_bot.commands.dispatcher import build_registry
from onebot_bot.commands.durations import parse_duration
from onebot_bot.errors import FrameError
from onebot_bot.extraction.days import named_dates, numbers, resolve_days
from onebot_bot.extraction.plain import slot_of, statements
from onebot_bot.extraction.sources import own_words
from onebot_bot.memory.history import LONGEST, Entry
from onebot_bot.memory.similar import relation
from onebot_bot.protocol.events import GroupMessage
from onebot_bot.protocol.frames import decode_frame
from onebot_bot.protocol.segments import UnknownSegment, decode_message, encode_message
from onebot_bot.reading.links import MOST as MOST_LINKS
from onebot_bot.reading.links import links_in, links_of_card
from onebot_bot.sections.sending import RenderConfig

DAY = date(2026, 11, 21)
SCENE = Scene(
    account=10000,
    group=30000,
    kinds=frozenset({"face", "at", "reply", "sticker", "react", "poke"}),
    limit=4,
    answered=Person(20000, "小明", 5),
    people=(Person(1, "Bob", 4), Person(2, "all", 3)),
    stickers=frozenset({"x"}),
)
WORDS = parse_words("坏词\nbad\n/(?:a+)+b/\n/坏.{0,5}词/", Path("words.txt"))
REGISTRY = build_registry()
PREFIXES = ("/", "／")
EMOTIONS = ("开心", "生气")


def read_messages(random: Random) -> None:
    """From segments to what goes on record: text for the model, segments for the database, links to be read."""
    try:
        message = decode_frame(json.dumps({**EVENTS["group message"], "message": segments(random)}))
    except FrameError:
        return
    found = message.message if isinstance(message, GroupMessage) else ()
    for language in ("zh", "en"):
        text = readable(found, language, lambda number: number)
        assert text == "".join(pieces(found, language, lambda number: number)).strip()
        assert not set(text) & {"\0", "\x1b", "\x07"}
    kept = worth_keeping(found)
    stored = None if kept is None else msgspec.json.encode(kept)
    assert stored is None or len(stored) <= 2 * MOST_BYTES
    again = None if stored is None else msgspec.json.decode(stored)
    assert again is None or len(decode_message(again)) == len(found)
    sources_in(Entry(role="user", text=text[:LONGEST], time=0, segments=again, id=1), 1)


def read_names(random: Random) -> None:
    """Names are one line that shows, fits into its brackets and cannot end them."""
    name = values.text(random)
    seen = clean_name(name)
    assert len(seen) <= 40
    assert "\n" not in seen
    assert seen == clean_name(seen)
    assert not set(label(name)) & set("[]\n")


def read_words(random: Random) -> None:
    """What somebody typed: nobody else's line begins in it, word lists and links are looked for in it."""
    text = values.text(random, 40)
    plain = unforged(text)
    assert unforged(plain) == plain
    words = lines.plain(text)
    assert lines.plain(words) == words
    assert all(line.startswith(lines.INDENT) for line in lines.indented(words).split("\n")[1:] if line)
    assert len(links_in(text)) <= MOST_LINKS
    defused(text)
    WORDS.find(text[:LONGEST])
    found = REGISTRY.parse(text.strip(), PREFIXES)
    if found is not None and REGISTRY.find(found[1]) is None:
        REGISTRY.nearest(found[1])
    parse_duration(text)


def read_cards(random: Random) -> None:
    """Cards become one line."""
    data = values.changed(random, SEGMENTS["json"])
    text = (
        str(data.get("data"))
        if random.random() < 0.5
        else values.written(random, values.value(random)).decode(errors="replace")
    )
    links_of_card(text)
    xml = SEGMENTS["xml"]["data"] + values.text(random) + "<title>a</title>" * random.choice((0, 3, 500))
    told = [
        card_line(text),
        other_card(UnknownSegment("xml", {"data": xml})),
        other_card(UnknownSegment("share", data)),
    ]
    assert all(line is not None and len(line) <= LONGEST_CARD and "\n" not in line for line in told)


def send_answers(random: Random) -> None:
    """What the model wrote becomes messages with tags, and no mark of ours is left in them."""
    said = spoken(values.text(random, 40))
    assert "<|im_end|>" not in said
    _, said = take_emotion(without_speakers(said, 10000), EMOTIONS)
    tagged = read_tags(said, SCENE) if random.random() < 0.8 else untagged(said)
    assert len(tagged.inline) <= SCENE.limit
    for bubble in split_reply(tagged.text, 3):
        encode_message(segments_in(bubble, tagged))
        assert not {"\ue000", "\uf8ff"} & set(written(bubble, tagged))
    form_of(tagged.bare, RenderConfig(max_characters=4000))
    assert all(0 < len(piece) <= 4000 for piece in split_bundle(tagged.bare))


def watch_answers(random: Random) -> None:
    """The same as it is written, piece by piece."""
    watch, text = LoopWatch(), values.text(random, 30)[:3000]
    step = random.choice((1, 3, 20))
    for start in range(0, len(text), step):
        if watch.feed(text[start : start + step]):
            break
    assert text.startswith(watch.kept()) or not watch.looping


def take_memories(random: Random) -> None:
    """What is read out of messages without a model."""
    words = own_words(random.choice(FACTS) + values.text(random)) if random.random() < 0.7 else values.text(random, 30)
    for statement in statements(words[:LONGEST], clean_name(values.text(random, 3)) or "1"):
        slot_of(statement.text)
        relation(statement.text, words[:200])
    resolve_days(words, DAY)
    named_dates(words)
    numbers(words)


FACTS = (
    "我叫小明。", "我的生日是5月3日，", "记住：", "请记住我明天", "I live in Paris and ", "remember that ",
    "my cat's name is ", "我对", "我最喜欢的", "on May 5th, 2026 ", "十一月二十日", "（回复 小明：“", "我真的真的真的",
)  # fmt: skip
