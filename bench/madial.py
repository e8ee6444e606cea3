"""MADial-Bench in Chinese (hejunqing, MIT): which memories a dialogue should call to mind.

The data is not part of the project: `--data FOLDER`, or the variable ONEBOT_BOT_DATA, names the folder that holds
`memory.jsonl` and `dialogue.jsonl`, or one that holds them in `madial-zh/`.
"""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from bench.baselines import BM25, Retrieval, find_rank, judge_ranks, split_bigrams
from bench.report import format_table

VARIABLE = "ONEBOT_BOT_DATA"
ABSENT = "not present"
ALL = {"BM25 on character bigrams": (0.319, 0.619, 0.794, 0.455), "BGE-M3 dense": (0.525, 0.831, 0.894, 0.661)}
"""hit@1, hit@5, hit@10 and MRR on all 160 dialogues, from the authors' published lists."""

_SPEAKER = re.compile(r'^<(.+?)>:\s*"?(.*?)"?$', re.DOTALL)


class Recalled(Struct, frozen=True):
    """A dialogue up to the turn that should recall."""

    turns: tuple[tuple[str, str], ...]
    """Who speaks and what, oldest first; the bot is `Assistant`."""
    right: tuple[int, ...]
    """Places in `Madial.memories` of what fits."""

    @property
    def roles(self) -> tuple[tuple[Literal["user", "assistant"], str], ...]:
        """The turns as a model takes them."""
        return tuple(("assistant" if who == "Assistant" else "user", text) for who, text in self.turns)

    @property
    def text(self) -> str:
        """All that was said, without who said it."""
        return "\n".join(text for _, text in self.turns)


class Madial(Struct, frozen=True):
    """The memories, and the dialogues that should recall them."""

    memories: tuple[str, ...]
    dialogues: tuple[Recalled, ...]


class _Memory(Struct):
    id: str
    event: str


class _Dialogue(Struct, rename="kebab"):
    dialogue: list[str]
    test_turn: list[int]
    relevant_id: list[int]


def find_data(given: Path | None) -> Path | None:
    """The folder with the data: the one given or the variable's; None when the files are not there."""
    named = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is None:
        return None
    return next((folder for folder in (named, named / "madial-zh") if (folder / "dialogue.jsonl").is_file()), None)


def load_madial(folder: Path) -> Madial:
    """What the folder holds, each dialogue up to the first turn that should recall.

    Of a dialogue with several such turns only the first counts: the others come after the memory was already told.

    Raises:
        OSError: a file is not there.
        msgspec.MsgspecError: a line is not what the files of MADial-Bench hold.
    """
    memories = msgspec.json.Decoder(_Memory).decode_lines((folder / "memory.jsonl").read_bytes())
    places = {int(memory.id): at for at, memory in enumerate(memories)}
    dialogues = msgspec.json.Decoder(_Dialogue).decode_lines((folder / "dialogue.jsonl").read_bytes())
    found = tuple(_cut(dialogue, places) for dialogue in dialogues)
    return Madial(tuple(memory.event for memory in memories), found)


def _cut(dialogue: _Dialogue, places: dict[int, int]) -> Recalled:
    right = tuple(places[number] for number in dialogue.relevant_id)
    before = dialogue.dialogue[: min(dialogue.test_turn)]
    said = [match for line in before if (match := _SPEAKER.match(line.strip()))]
    return Recalled(tuple((match[1], match[2]) for match in said), right)


def measure_bm25(data: Madial) -> Retrieval:
    """BM25 on character bigrams, the query all that was said before the turn."""
    index = BM25([split_bigrams(memory) for memory in data.memories])
    return judge_ranks([find_rank(index.score(split_bigrams(each.text)), each.right) for each in data.dialogues])


def format_retrieval(name: str, found: Retrieval | None) -> tuple[str, ...]:
    """A row of a table: the name, hit@1, hit@5, hit@10, MRR and how many were asked."""
    if found is None:
        return name, ABSENT, "", "", "", ""
    shares = (found.hit1, found.hit5, found.hit10, found.mrr)
    return name, *(f"{share:.3f}" for share in shares), str(found.asked)


def print_madial(rows: dict[str, Retrieval | None]) -> None:
    """The rows beside what is known of all 160 dialogues."""
    known = [(f"{name}, all 160", *(f"{share:.3f}" for share in shares), "160") for name, shares in ALL.items()]
    head = ("MADial-zh", "hit@1", "hit@5", "hit@10", "MRR", "asked")
    print(format_table(head, [*(format_retrieval(name, found) for name, found in rows.items()), *known]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure BM25 on the part of the data that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help=f"default: the variable {VARIABLE}")
    folder = find_data(parser.parse_args(arguments).data)
    print_madial({"BM25 on character bigrams": measure_bm25(load_madial(folder)) if folder else None})


if __name__ == "__main__":
    main()
