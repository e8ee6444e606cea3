"""Made-up people: names from large pools, in two sets that share none."""

import hashlib
from random import Random
from typing import Literal

from onebot_bot.texts import Language

Pool = Literal["prime", "bench"]
"""Names to train on before the first day, and names that only a benchmark uses: disjoint by a hash of the name."""


def _words(text: str) -> list[str]:
    return text.split()


GIVEN = _words(
    "Ada Adam Aisha Alan Alma Amir Anna Anton Aria Arno Asta Basil Beth Blake Bram Cai Cara Cecil Chloe Clara Cyrus "
    "Dana David Dean Della Devi Diego Dora Edith Edwin Ella Elmer Emil Enzo Erin Ethan Etta Eva Ewan Faye Finn Flora "
    "Frank Freya Gail Gavin Gil Gloria Gus Hana Harry Hazel Heidi Helen Ian Ida Igor Imani Ines Iris Ivan Jack Jada "
    "Janet Joel Jonas Julia June Kai Karin Keith Kenji Kira Lara Leah Leif Lena Leon Lila Louis Lucia Luka Mabel Maya "
    "Mara Marco Marta Mei Mia Milo Mina Moses Nadia Nina Noah Nora Omar Opal Oscar Otto Pablo Paula Petra Pia Quinn "
    "Rafael Rania Rhea Robin Rosa Rufus Sam Sana Sara Sean Seth Sofia Stella Sven Tara Tess Theo Tilda Tom Uma Vera "
    "Viktor Wanda Wei Xander Yara Yuki Zara Zeno Zoe"
)
SURNAMES = _words(
    "Abbot Adeyemi Almeida Archer Bakker Banks Becker Berg Bishop Blanc Bloom Bondar Brandt Brooks Byrne Carver Castro "
    "Chang Clarke Cohen Conti Costa Crane Cruz Dahl Dalton Deng Diaz Dorn Drake Duval Eklund Ellis Falk Farrell Ferro "
    "Fisher Fontaine Ford Frost Gallo Garcia Gibson Grant Greco Haas Hale Hansen Hayes Holm Horvat Huang Hughes Ito "
    "Ivanov Jansen Jones Kaya Keller Khan Kim Klein Kovac Kumar Lang Larsen Lee Lewis Lim Lindqvist Lopez Lund Maier "
    "Marsh Mason Mendez Meyer Mills Moreau Mori Nagy Nash Nguyen Nolan Novak Okafor Olsen Ortiz Osei Park Patel Perez "
    "Petrov Pope Price Quist Rahman Ramos Reed Reyes Ricci Rossi Roth Sato Schmidt Shah Shaw Silva Singh Sokolov Stone "
    "Tanaka Tang Taylor Torres Tran Vance Vargas Vogel Wagner Walsh Wang Ward Weber West Wolf Wong Wood Yates Young "
    "Zhang Zhou Ziegler"
)
ONSETS = _words("B Br C D Dr El F G Gr H J K Kal L M Mar N Or P R S Sh T Tal Tr V W Y Z Zan")
MIDDLES = _words("a e i o u ai an ar el en il or")
ENDINGS = _words("b ba da dan di ko la lin lo ma mei mir n na ni no r ra ren ri ro sa sha so ta ti to va vin x ya za")

SURNAMES_ZH = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖"
    "邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段钱汤尹黎易常武乔贺赖龚文"
)
GIVEN_ZH = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华玉兰建国文辉力峰晨雨雪琪梓涵子轩浩然欣怡佳宇思远嘉诚博雅诗婷若曦梦瑶俊熙天宁安心语可馨"
    "凡星辰沐阳知夏初晓枫竹青松柏云帆海清泉石岩林森月影桐楠樱桃杏荷莲菊梅香彤丹红紫苏墨书画琴棋乐歌舞笑颜朗晴岚溪渊泽霖澜川"
)
NICKNAMES_ZH = _words("小 阿 老 大")
ENDINGS_ZH = _words("哥 姐 仔 妹 宝 酱 儿 同学 老师 师傅")


def names(rng: Random, n: int, lang: Language, pool: Pool = "prime", near: float = 0.0) -> list[str]:
    """`n` distinct names of `pool`, none a part of another; a share `near` differs little from an earlier one."""
    found: list[str] = []
    taken: set[str] = set()
    parts: set[str] = set()
    while len(found) < n:
        name = _near(rng, rng.choice(found), lang) if found and rng.random() < near else _draw(rng, lang)
        own = _parts(name, lang)
        if pool_of(name) != pool or name in parts or not taken.isdisjoint(own):
            continue
        found.append(name)
        taken.add(name)
        parts |= own
    return found


def pool_of(name: str) -> Pool:
    """Which of the two sets a name belongs to, the same on every machine."""
    return "bench" if hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % 2 else "prime"


def number_of(name: str) -> int:
    """The QQ number of a made-up person, nine digits, the same on every machine."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return 100_000_000 + int.from_bytes(digest, "big") % 900_000_000


def _parts(name: str, lang: Language) -> set[str]:
    """What could be meant by itself: whole words, and in Chinese any two characters or more."""
    if lang == "en":
        words = name.split()
        return {*words, name}
    return {name[a:b] for a in range(len(name)) for b in range(a + 2, len(name) + 1)}


def _draw(rng: Random, lang: Language) -> str:
    if lang == "zh":
        return _draw_zh(rng)
    given = rng.choice(GIVEN) if rng.random() < 0.5 else _coin(rng)
    return f"{given} {rng.choice(SURNAMES)}" if rng.random() < 0.4 else given


def _coin(rng: Random) -> str:
    """A name of two or three syllables that nobody bears."""
    start = rng.choice(ONSETS) + rng.choice(MIDDLES) + rng.choice(ENDINGS)
    return start + rng.choice(ENDINGS) if start[-1] in "aeiou" and rng.random() < 0.4 else start


def _draw_zh(rng: Random) -> str:
    given = "".join(rng.sample(GIVEN_ZH, rng.choice((1, 2, 2))))
    kind = rng.random()
    if kind < 0.7:
        return rng.choice(SURNAMES_ZH) + given
    return rng.choice(NICKNAMES_ZH) + given if kind < 0.85 else given + rng.choice(ENDINGS_ZH)


def _near(rng: Random, name: str, lang: Language) -> str:
    """A name that differs by one character, or in English by the surname or an ending."""
    if lang == "en" and " " in name and rng.random() < 0.5:
        return f"{name.partition(' ')[0]} {rng.choice(SURNAMES)}"
    place = rng.randrange(len(name.partition(" ")[0]))
    letters = GIVEN_ZH if lang == "zh" else _alike(name[place])
    return name[:place] + rng.choice(letters) + name[place + 1 :]


def _alike(letter: str) -> str:
    """Letters that may stand in its place in a name that can still be said."""
    found = "aeio" if letter.lower() in "aeiouy" else "bdgklmnprstv"
    return found.upper() if letter.isupper() else found
