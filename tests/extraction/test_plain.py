"""What people say about themselves becomes facts, without a model; anything doubtful does not."""

from datetime import UTC

import pytest

from onebot_bot.extraction.plain import extract_plainly, slot_of, statements
from onebot_bot.extraction.sources import Chunk, chunk_of
from onebot_bot.memory.history import Entry
from onebot_bot.protocol.chat_id import ChatId

GROUP = ChatId(10000, "group", 20000)
NOON = 1_795_176_000  # 2026-11-20 noon UTC


def chunk(*said: tuple[str, str]) -> Chunk:
    """Messages, each by the person of that name, a minute apart."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for name, _ in said), 1)}
    entries = [
        Entry(role="user", text=text, time=NOON + at * 60, user_id=numbers[name], name=name, id=100 + at)
        for at, (name, text) in enumerate(said)
    ]
    return chunk_of(GROUP, entries, UTC, ["/"])


CHINESE = [
    ("我叫李小明", "小明的名字是李小明。"),
    ("我的名字叫李小明。", "小明的名字是李小明。"),
    ("我的生日是3月14日", "小明的生日是3月14日。"),
    ("对了，我生日是三月十四号哦", "小明的生日是三月十四号。"),
    ("我住在上海", "小明住在上海。"),
    ("我搬到杭州了！", "小明住在杭州。"),
    ("我今年25岁了", "小明25岁。"),
    ("我来自成都", "小明来自成都。"),
    ("我是四川人", "小明来自四川。"),
    ("我是一名护士", "小明的职业是护士。"),
    ("其实我是程序员啦", "小明的职业是程序员。"),
    ("我在腾讯上班", "小明在腾讯工作。"),
    ("我现在在北京大学读书", "小明在北京大学上学。"),
    ("我在上海当老师", "小明在上海当老师。"),
    ("我养了一只叫年糕的猫", "小明养了一只叫年糕的猫。"),
    ("我养了一只猫，叫年糕", "小明养了一只猫，叫年糕。"),
    ("我家猫叫年糕", "小明的猫叫年糕。"),
    ("我有一个妹妹", "小明有一个妹妹。"),
    ("我喜欢喝乌龙茶", "小明喜欢喝乌龙茶。"),
    ("我超爱吃火锅～", "小明喜欢吃火锅。"),
    ("我最喜欢的颜色是绿色", "小明最喜欢的颜色是绿色。"),
    ("我不喜欢香菜", "小明不喜欢香菜。"),
    ("我对花生过敏", "小明对花生过敏。"),
    ("我不吃牛肉", "小明不吃牛肉。"),
    ("我会弹钢琴", "小明会弹钢琴。"),
    ("我怕打雷", "小明怕打雷。"),
    ("我结婚了", "小明结婚了。"),
    ("我的专业是数学", "小明的专业是数学。"),
    ("我喜欢我的猫", "小明喜欢自己的猫。"),
    ("我最喜欢的就是摇滚乐了", "小明喜欢摇滚乐。"),
    ("我的工作是老师", "小明的职业是老师。"),
    ("我在重庆长大的", "小明在重庆长大。"),
    ("我是1999年出生的", "小明是1999年出生的。"),
    ("我最近在学吉他", "小明在学吉他。"),
    ("我正在看《三体》这本书", "小明在看《三体》这本书。"),
    ("我下个月打算去西藏", "小明下个月打算去西藏。"),
    ("我一碰花生就过敏", "小明对花生过敏。"),
    ("我给我的狗起名旺财", "小明的狗叫旺财。"),
    ("我是五月天的粉丝", "小明是五月天的粉丝。"),
    ("我晚上11点半睡觉", "小明晚上11点半睡觉。"),
    ("我12月8日有考试", "小明12月8日有考试。"),
    ("我的考试在11月1日", "小明的考试在11月1日。"),
    ("我每天都跑步一小时", "小明每天都跑步一小时。"),
    ("我上班骑自行车", "小明上班骑自行车。"),
    ("我和小红在一起了", "小明和小红在一起。"),
    ("我报了吉他课", "小明报了吉他课。"),
]

ENGLISH = [
    ("My birthday is March 14", "Ann's birthday is March 14."),
    ("btw, my birthday is on 14 March!", "Ann's birthday is 14 March."),
    ("My name is Annabel Lee.", "Ann's name is Annabel Lee."),
    ("I live in Berlin, Germany", "Ann lives in Berlin, Germany."),
    ("I just moved to Lisbon", "Ann lives in Lisbon."),
    ("I'm from Peru", "Ann is from Peru."),
    ("I have a rabbit named Mochi", "Ann has a rabbit named Mochi."),
    ("I've got two sisters", "Ann has two sisters."),
    ("I love ramen so much!", "Ann loves ramen."),
    ("i really like swimming", "Ann likes swimming."),
    ("I don't like cilantro", "Ann does not like cilantro."),
    ("I work as a nurse at St. Mary", "Ann works as a nurse at St. Mary."),
    ("I work for Siemens", "Ann works for Siemens."),
    ("I'm a pilot", "Ann works as a pilot."),
    ("I am allergic to peanuts", "Ann is allergic to peanuts."),
    ("I'm 27 years old", "Ann is 27 years old."),
    ("My favourite colour is green", "Ann's favourite colour is green."),
    ("my dog's name is Rex", "Ann's dog's name is Rex."),
    ("My cat is called Mochi", "Ann's cat is called Mochi."),
    ("My sister is a doctor", "Ann's sister is a doctor."),
    ("I play the violin", "Ann plays the violin."),
    ("I speak Spanish", "Ann speaks Spanish."),
    ("I'm a vegetarian", "Ann is a vegetarian."),
    ("I don't eat pork", "Ann does not eat pork."),
    ("I am afraid of spiders", "Ann is afraid of spiders."),
    ("I was born in 1999", "Ann was born in 1999."),
    ("I study physics", "Ann studies physics."),
    ("I love my dog", "Ann loves their dog."),
    ("I grew up in Oslo", "Ann grew up in Oslo."),
    ("My home is in Bonn", "Ann lives in Bonn."),
    ("I am a baker by profession", "Ann works as a baker."),
    ("I have an allergy to dust", "Ann is allergic to dust."),
    ("I named my dog Rex", "Ann's dog is called Rex."),
    ("In my free time I enjoy chess", "Ann enjoys chess."),
    ("I'm learning Welsh", "Ann is learning Welsh."),
    ("I'm planning to move abroad", "Ann plans to move abroad."),
    ("I'm a big fan of Queen", "Ann is a fan of Queen."),
    ("My hobby is pottery", "Ann's hobby is pottery."),
    ("Next month I plan to open a cafe", "Ann plans to open a cafe next month."),
    ("I have an exam on May 13", "Ann's exam: May 13."),
    ("My exam takes place on July 29", "Ann's exam: July 29."),
    ("I go to bed at 9:45 pm", "As a rule Ann will go to bed at 9:45 pm."),
    ("I wear shoes in size 36", "Ann wears size 36."),
    ("I'm together with Gemma", "Ann is together with Gemma."),
    ("I take iron pills every day", "Ann takes iron pills every day."),
    ("I promised to water the plants", "Ann promised to water the plants."),
    ("My biggest fear is heights", "Ann's biggest fear is heights."),
    ("My vehicle is a yellow Mini", "Ann's vehicle is a yellow Mini."),
    ('My favourite book is "Dune"', 'Ann\'s favourite book is "Dune".'),
]


@pytest.mark.parametrize(("said", "fact"), CHINESE)
def test_a_chinese_statement_is_a_fact_in_the_third_person(said: str, fact: str) -> None:
    """With the speaker's name in it."""
    assert [found.text for found in statements(said, "小明")] == [fact]


@pytest.mark.parametrize(("said", "fact"), ENGLISH)
def test_an_english_statement_is_a_fact_in_the_third_person(said: str, fact: str) -> None:
    """With the speaker's name in it."""
    assert [found.text for found in statements(said, "Ann")] == [fact]


@pytest.mark.parametrize(
    "said",
    [
        # questions
        "我住在哪里你还记得吗",
        "我叫什么？",
        "我喜欢什么颜色呢",
        "我是不是程序员",
        "Do you know where I live?",
        "I live in Berlin?",
        "What is my name",
        # hypotheticals and guesses
        "如果我住在上海就好了",
        "要是我有一只猫",
        "我可能是老师",
        "我希望我住在海边",
        "If I lived in Paris, I would be happy",
        "I wish I had a dog",
        "I would love a coffee",
        "Maybe I have a twin",
        "Imagine I live in a castle",
        "I used to live in Rome",
        "我以前住在北京",
        # others' words
        "他说我住在上海",
        "他说，我住在上海",
        "我妈说：“我喜欢你”",
        "“我叫红桃皇后”是台词",
        'She said "I live in Paris"',
        "She said, I live in Paris",
        "> I live in Paris",
        # jokes
        "我住在火星，开玩笑的",
        "我是国家主席[狗头]",
        "I live on Mars, just kidding",
        "I have a dragon jk",
        # no facts about the speaker
        "我叫了外卖",
        "我叫你呢",
        "我喜欢你",
        "我喜欢这个",
        "我特别喜欢看",
        "我喜欢其中的一首",
        "我在学习",
        "我准备睡了",
        "我打算吃饭去",
        "I'm reading it",
        "My car is a mess",
        "I promised to do it if I can",
        "我和朋友在一起",
        "我今天11点睡觉",
        "我答应你",
        "I'm planning to do it if I can",
        "我爱你",
        "我有一个问题",
        "我有个想法",
        "我是说不用了",
        "我是真的服了",
        "我住院了",
        "我是好人",
        "我在认真工作",
        "我的意思是算了",
        "我怕你生气",
        "我不是老师",
        "我不住在上海",
        "I have a question",
        "I have a meeting at 5",
        "I have to go",
        "I love it",
        "I love you",
        "I like how you said that",
        "I'm a bit tired",
        "I'm an idiot",
        "I am not a doctor",
        "I don't live in Berlin",
        "My point is clear",
        "my phone is dead",
        "My name is hard to spell",
        "你住在上海",
        "She has a dog",
        "哈哈哈",
        "ok",
        "",
    ],
)
def test_anything_else_is_no_fact(said: str) -> None:
    """Questions, hypotheticals, quotes, jokes, moods and small talk leave nothing behind."""
    assert [entry.text for entry in extract_plainly(chunk(("小明", said)))] == []


@pytest.mark.parametrize("times", [20, 60, 5000])
@pytest.mark.parametrize(
    ("head", "repeated", "tail"),
    [
        ("我", "刚", ""),
        ("我", "了啦", "x"),
        ("", "你要", ""),
        ("I ", "really ", ""),
        ("I like", " too  lol", "?"),
        ("", "hi ", ""),
        ("", "hi there, ", "x"),
        ("", "（回复 ", ""),
        ("", "text:", ""),
        ("", "[", "]x"),
        ("", "“", ""),
        ("I have a ", "a", "?"),
        ("", "一", "百岁"),
        ("please ", "please ", ""),
    ],
)
def test_what_is_typed_to_hurt_does_not(head: str, repeated: str, tail: str, times: int) -> None:
    """Repetitions cost no more than their length."""
    assert extract_plainly(chunk(("小明", head + repeated * times + tail))) == []


def test_one_message_can_state_several_facts() -> None:
    """A subject is carried on, as people do."""
    chinese = [found.text for found in statements("大家好，我叫李雷，住在上海，喜欢爬山。", "李雷")]
    assert chinese == ["李雷的名字是李雷。", "李雷住在上海。", "李雷喜欢爬山。"]
    english = [found.text for found in statements("Hi, I'm a nurse and I live in Bonn. My cat is called Tom!", "Eve")]
    assert english == ["Eve works as a nurse.", "Eve lives in Bonn.", "Eve's cat is called Tom."]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("记住我对花生过敏", "Ann对花生过敏。"),
        ("请记住：钥匙在门口的花盆下面", "Ann要求记住：“钥匙在门口的花盆下面”。"),
        ("Remember that I am allergic to nuts", "Ann is allergic to nuts."),
        ("please remember: the key is under the pot", 'What Ann asked to remember: "the key is under the pot".'),
        ("Can you remember that my birthday is May 3?", "Ann's birthday is May 3."),
    ],
)
def test_what_is_to_be_remembered_is(said: str, text: str) -> None:
    """As a fact where it is one, else in its own words; both matter."""
    (found,) = statements(said, "Ann")
    assert (found.text, found.importance) == (text, 0.9)


@pytest.mark.parametrize(
    "said",
    [
        "记住了",
        "你记住了吗",
        "我记住了",
        "Do you remember that day?",
        "Remember that time we got lost",
        "remember me",
        "Remember that I live here?",
    ],
)
def test_talking_of_remembering_asks_for_nothing(said: str) -> None:
    """Only a request is one."""
    assert statements(said, "Ann") == []


def test_an_entry_says_who_said_it_when_and_where() -> None:
    """Speaker, source, time, and the date instead of the day."""
    (entry,) = extract_plainly(chunk(("Bob", "hi"), ("Ann", "My birthday is tomorrow")))
    assert entry.text == "Ann's birthday is on November 21, 2026."
    assert (entry.chat, entry.speaker, entry.subjects, entry.source_ids) == (GROUP, 2, (2,), (101,))
    assert entry.event_time == NOON + 60


def test_a_quote_is_not_its_bearers_word() -> None:
    """Neither of whom the router quotes nor of whom it mentions."""
    said = "（回复 Bob：“我住在上海（徐汇）”）我住在杭州"
    assert [entry.text for entry in extract_plainly(chunk(("小明", said)))] == ["小明住在杭州。"]
    assert extract_plainly(chunk(("Ann", "(replying to Bob: “I live in Rome”)really? I see"))) == []
    assert [entry.text for entry in extract_plainly(chunk(("小明", "@Bob 我住在杭州")))] == ["小明住在杭州。"]


def test_a_joke_may_be_called_one_later() -> None:
    """The author's next message takes it back; another's does not."""
    assert extract_plainly(chunk(("Ann", "I live in Hogwarts"), ("Bob", "wow"), ("Ann", "jk"))) == []
    assert len(extract_plainly(chunk(("Ann", "I live in Bath"), ("Bob", "jk"), ("Ann", "really")))) == 1


def test_neither_the_bot_nor_a_command_is_a_source() -> None:
    """The bot has no life to remember."""
    entries = [
        Entry(role="assistant", text="I live in Berlin", time=NOON, id=1),
        Entry(role="user", text="/persona I live in Rome", time=NOON, user_id=5, name="Ann", id=2),
        Entry(role="event", text="I live in Oslo", time=NOON, user_id=5, name="Ann", id=3),
    ]
    assert extract_plainly(chunk_of(GROUP, entries, UTC, ["/"])) == []


def test_two_people_of_one_name_are_told_apart() -> None:
    """By their numbers."""
    entries = [
        Entry(role="user", text="I live in Rome", time=NOON, user_id=number, name="Ann", id=number) for number in (5, 6)
    ]
    texts = [entry.text for entry in extract_plainly(chunk_of(GROUP, entries, UTC, []))]
    assert texts == ["Ann(5) lives in Rome.", "Ann(6) lives in Rome."]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("我住在上海", "我搬到杭州了"),
        ("I live in Rome", "I just moved to Oslo"),
        ("我喜欢香菜", "我讨厌香菜"),
        ("I like coffee", "I hate coffee"),
        ("I'm 27", "I'm 28 years old"),
        ("I work as a nurse", "I'm a pilot now"),
        ("My favourite colour is red", "my favourite colour is blue"),
        ("I am allergic to nuts", "I'm no longer allergic to nuts"),
        ("My birthday is May 3", "my birthday is May 4"),
    ],
)
def test_statements_of_one_attribute_share_a_slot(older: str, newer: str) -> None:
    """And the slot is read back from what was written of it."""
    (one,), (two,) = statements(older, "Ann"), statements(newer, "Ann")
    assert one.slot == two.slot == slot_of(one.text) == slot_of(two.text) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [("I like coffee", "I like tea"), ("我有一个妹妹", "我有一个哥哥"), ("I live in Rome", "I work for Rome")],
)
def test_what_can_stand_together_does(one: str, other: str) -> None:
    """Two likes, two sisters, a home and a job."""
    (first,), (second,) = statements(one, "Ann"), statements(other, "Ann")
    assert first.slot != second.slot or first.slot == ""
