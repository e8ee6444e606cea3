"""Whether a message is answered: every rule by itself."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onebot_bot.chat.explained import explain
from onebot_bot.chat.participation import (
    Decision,
    Freshness,
    Gate,
    Past,
    Seen,
    Silence,
    Trigger,
    decide,
    find_trigger,
    gate_of,
)
from onebot_bot.chat.presence import HOUR, MINUTE, MOST_ANSWERS, MOST_CHATS, Considered, Presence
from onebot_bot.config import parse_config
from onebot_bot.errors import ConfigError
from onebot_bot.memory.chat_settings import ChatSettings
from onebot_bot.protocol.chat_id import ChatId
from onebot_bot.protocol.events import GroupMessage, Sender
from onebot_bot.protocol.segments import At, Segment, Text
from onebot_bot.sections.chat import ChatConfig
from onebot_bot.texts import say

GROUP, ALICE = ChatId(10000, "group", 77), ChatId(10000, "private", 1)
NOON, NIGHT = 12 * 60, 2 * 60
CHATTY = ChatConfig(talk_value=0.2)
RESTED = Past()


def dice(*numbers: float) -> Callable[[], float]:
    """Dice that fall as a test says; one throw too many raises StopIteration."""
    left = iter(numbers)
    return lambda: next(left)


def heard(called: Trigger | None = None, **fields: Any) -> Seen:
    """A message in a group."""
    return Seen(1, group=True, called=called, **fields)


def why(
    seen: Seen, config: ChatConfig = CHATTY, past: Past = RESTED, minute: int = NOON, drawn: Iterable[float] = ()
) -> Trigger | Silence:
    """What is decided, and by which rule."""
    return decide(seen, past, config, minute, dice(*drawn)).why


def said(*segments: Segment) -> GroupMessage:
    """A message to account 10000."""
    return GroupMessage(
        time=1, self_id=10000, user_id=1, group_id=77, message_id=1, sender=Sender(user_id=1), message=segments
    )


@pytest.mark.parametrize(
    ("text", "names", "called"),
    [
        ("小忆在吗", ["小忆"], Trigger.NAME),
        ("hello al", ["Al"], Trigger.NAME),
        ("I also think so", ["Al"], None),
        ("al!", ["", "Al"], Trigger.NAME),
        ("ask Al小忆", ["Al"], Trigger.NAME),
        ("anything", [], None),
    ],
)
def test_a_name_is_found_as_a_word(text: str, names: list[str], called: Trigger | None) -> None:
    """Chinese has no spaces; in Latin letters "also" does not call Al."""
    assert find_trigger(said(Text(text)), names) == called


def test_a_mention_is_more_than_a_name() -> None:
    """And one of somebody else is none."""
    assert find_trigger(said(At("10000"), Text("小忆")), ["小忆"]) is Trigger.MENTION
    assert find_trigger(said(At("2"), Text("hi")), ["小忆"]) is None


@pytest.mark.parametrize("called", [Trigger.MENTION, Trigger.REPLY])
def test_who_speaks_to_its_face_is_answered_without_dice(called: Trigger) -> None:
    """In quiet hours and while it is busy, too."""
    config = ChatConfig(quiet_hours="23:00-07:00")
    assert why(heard(called, busy=True), config, minute=NIGHT) is called


@pytest.mark.parametrize(("mode", "silence"), [("off", Silence.OFF), ("observe", Silence.OBSERVING)])
def test_off_and_observing_it_answers_nobody_in_the_group(mode: Any, silence: Silence) -> None:
    """Not even an @; a private chat is no group."""
    config = ChatConfig(mode=mode)
    assert why(heard(Trigger.MENTION), config) is silence
    assert why(Seen(1, group=False, called=Trigger.PRIVATE), config) is Trigger.PRIVATE


def test_a_name_is_answered_with_its_chance() -> None:
    """And never in quiet hours."""
    config = ChatConfig(name_chance=0.9, quiet_hours="23:00-07:00")
    assert why(heard(Trigger.NAME), config, drawn=[0.89]) is Trigger.NAME
    assert why(heard(Trigger.NAME), config, drawn=[0.9]) is Silence.UNHEARD
    assert why(heard(Trigger.NAME), config, minute=NIGHT) is Silence.QUIET


def test_by_default_a_new_bot_does_not_barge_in() -> None:
    """No dice are thrown."""
    assert why(heard(), ChatConfig()) is Silence.CLOSED


def test_the_gate_opens_below_its_value() -> None:
    """The decision tells the value and the dice."""
    assert why(heard(), drawn=[0.19]) is Trigger.GATE
    assert why(heard(), drawn=[0.2]) is Silence.DICE
    assert decide(heard(), Past(), CHATTY, NOON, dice(0.5)) == Decision(
        Silence.DICE, 0.2, 0.5, Gate(0.2, attention=1.0, dominance=1.0, fatigue=1.0)
    )


@pytest.mark.parametrize(
    ("fields", "silence"),
    [
        ({"ignored": True}, Silence.BOT),
        ({"freshness": Freshness.OLD}, Silence.OLD),
        ({"freshness": Freshness.MISSED}, Silence.MISSED),
        ({"elsewhere": True}, Silence.ELSEWHERE),
        ({"busy": True}, Silence.BUSY),
    ],
)
def test_what_keeps_the_gate_shut(fields: dict[str, Any], silence: Silence) -> None:
    """Whatever the dice would say."""
    assert why(heard(**fields)) is silence


def test_who_waits_already_goes_on_asking() -> None:
    """The further message is part of the question."""
    assert why(heard(owed=True)) is Trigger.FOLLOW_UP
    assert why(heard(Trigger.NAME, owed=True)) is Trigger.NAME


def test_too_many_exchanges_with_one_account_pause() -> None:
    """In private too; 0 is no limit."""
    past = Past(exchanges=10)
    asked = Seen(1, group=False, called=Trigger.PRIVATE)
    assert why(asked, ChatConfig(exchanges_per_minute=10), past) is Silence.LOOP
    assert why(asked, ChatConfig(exchanges_per_minute=11), past) is Trigger.PRIVATE
    assert why(asked, ChatConfig(exchanges_per_minute=0), past) is Trigger.PRIVATE


@pytest.mark.parametrize(
    ("past", "value"),
    [
        (Past(), 0.2),
        (Past(silent_for=119.0), 0.5),
        (Past(silent_for=120.0), 0.2),
        (Past(own=1), 0.2),
        (Past(own=2), 0.1),
        (Past(own=3), 0.05),
        (Past(own=4), 0.0),
        (Past(answers=15), 0.1),
        (Past(answers=30), 0.0),
        (Past(answers=99), 0.0),
    ],
)
def test_the_gate_follows_what_it_said_lately(past: Past, value: float) -> None:
    """Raised for two minutes, lowered by dominance and by fatigue."""
    assert gate_of(past, CHATTY, NOON).value == pytest.approx(value)


def test_the_talk_value_goes_by_the_time_of_day() -> None:
    """The first span that fits; a value of more than one is certain."""
    config = ChatConfig(talk_value=0.1, talk_times=["11:00-13:00 0.6", "00:00-24:00 0.3"])
    assert gate_of(Past(), config, NOON).value == 0.6
    assert gate_of(Past(), config, NIGHT).value == 0.3
    assert gate_of(Past(silent_for=1.0), config, NOON).value == 1.0


@pytest.mark.parametrize("line", ['quiet_hours = "night"', 'talk_times = ["0.5"]', 'talk_times = ["8-9 2"]'])
def test_a_wrong_time_of_day_names_the_key(line: str) -> None:
    """As it stands in config.toml."""
    with pytest.raises(ConfigError, match=rf"chat: {line.partition(' ')[0]}: .*write it like"):
        parse_config(f"[chat]\n{line}\n", Path("config.toml"))


# --- what it remembers of its own part -----------------------------------------------------------------------------


def test_answers_tire_it_for_an_hour() -> None:
    """And attention goes by the latest."""
    presence = Presence(draw=lambda: 0.99)
    for number in range(15):
        presence.answered(GROUP, [1], 1, 100.0 + number)
    for _ in range(4):
        presence.decide(GROUP, heard(), CHATTY, 1000.0)
    gates = [presence.decide(GROUP, heard(), CHATTY, now).gate for now in (1000.0, 114.0 + HOUR)]
    assert [gate and (gate.attention, gate.fatigue) for gate in gates] == [(1.0, 0.5), (1.0, 1.0)]


def test_exchanges_are_counted_by_account_and_chat() -> None:
    """Within the last minute."""
    presence, config = Presence(), ChatConfig(exchanges_per_minute=2)
    for when in (0.0, 30.0):
        presence.answered(GROUP, [1], 1, when)
    asked = [
        presence.decide(chat, Seen(user, group=True, called=Trigger.MENTION), config, now).why
        for chat, user, now in ((GROUP, 1, 31.0), (GROUP, 2, 31.0), (ALICE, 1, 31.0), (GROUP, 1, 60.0))
    ]
    assert asked == [Silence.LOOP, Trigger.MENTION, Trigger.MENTION, Trigger.MENTION]


def test_a_chats_own_settings_go_before_the_configuration() -> None:
    """Its talk value ends the configuration's hours; quiet hours are by the clock where people live."""
    own = ChatSettings(talk_value=1.0, quiet_hours="01:00-03:00")
    hour = [2]
    presence = Presence(lambda _: own, lambda: datetime(2026, 11, 21, hour[0], tzinfo=UTC), dice(0.99, 0.99))
    config = ChatConfig(talk_times=["00:00-24:00 0.1"])
    assert presence.decide(GROUP, heard(), config, 0.0).why is Silence.QUIET
    hour[0] = 3
    assert presence.decide(GROUP, heard(), config, 0.0).why is Trigger.GATE


def test_what_was_said_while_it_was_off_stays_unheard() -> None:
    """Asked for what it missed, it leaves that out; private chats know no mode."""
    presence = Presence(lambda _: ChatSettings(mode="on", since=100))
    assert [presence.listens(GROUP, ChatConfig(mode="off"), when) for when in (99, 100)] == [False, True]
    assert Presence().listens(ALICE, ChatConfig(mode="off"), 0)


def test_only_so_many_chats_are_remembered() -> None:
    """The one that was quiet longest is forgotten."""
    presence = Presence()
    for number in range(MOST_CHATS + 1):
        presence.decide(ChatId(1, "group", number), heard(), ChatConfig(), 0.0)
    assert presence.last(ChatId(1, "group", 0)) is None
    assert presence.last(ChatId(1, "group", 1)) is not None


# --- in words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [*Trigger, *Silence])
def test_every_reason_has_words(reason: Trigger | Silence) -> None:
    """In both languages, and they differ."""
    words = {explain(Considered(42, Decision(reason)), language) for language in ("zh", "en")}
    assert len(words) == 2


def test_the_gate_is_explained_factor_by_factor() -> None:
    """With the dice below."""
    made = decide(heard(), Past(own=2), CHATTY, NOON, dice(0.5))
    lines = explain(Considered(42, made), "en").splitlines()
    assert lines[0] == "Did not answer the last message: nobody called me, and I did not join in."
    assert "0.10 = talk value 0.2 × attention 1 × dominance 0.5 × fatigue 1.00" in lines[1]
    assert lines[2] == "Dice 0.50 ≥ 0.10"


@pytest.mark.parametrize("outcome", ["no_reply", "shadow"])
def test_what_came_of_it_is_told(outcome: Any) -> None:
    """The model's silence, and what only the log heard."""
    considered = Considered(42, Decision(Trigger.GATE), outcome)
    assert explain(considered, "zh") == say("zh", f"part.{outcome}", reason=say("zh", "part.gate"))


def test_what_came_of_it_is_the_last_messages() -> None:
    """Somebody else has written since: the outcome is not theirs."""
    presence = Presence()
    presence.decide(GROUP, heard(Trigger.MENTION), ChatConfig(), 0.0)
    other = msgspec.structs.replace(heard(), user=2)
    presence.decide(GROUP, other, ChatConfig(), 0.0)
    presence.ended(GROUP, 1, "no_reply")
    assert (last := presence.last(GROUP)) is not None
    assert (last.user, last.outcome) == (2, "answered")


def test_exchanges_count_up_to_the_largest_limit() -> None:
    """As many as `exchanges_per_minute` may be, each for its minute; of more the latest."""
    presence = Presence()
    for at in range(MOST_ANSWERS + 5):
        presence.answered(GROUP, [2], 1, at / 64)
        presence.answered(ALICE, [2], 1, 0.0)
    last = (MOST_ANSWERS + 4) / 64
    assert presence._part(GROUP).past(2, last).exchanges == MOST_ANSWERS
    assert presence._part(GROUP).past(3, last).exchanges == 0
    assert presence._part(GROUP).past(2, last + MINUTE - 1).exchanges == 64
    assert presence._part(ALICE).past(2, MINUTE).exchanges == 0
