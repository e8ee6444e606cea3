"""The process that reads: what it gives, and every way in which it may fail."""

import asyncio
import sys
from pathlib import Path

import msgspec
import psutil
import pytest
from documents import LIMITS, docx, paragraphs

from onebot_bot.errors import ReadingError
from onebot_bot.reading.extract import Extract, Failure, Job
from onebot_bot.reading.extractor import MOST_ANSWER, Extractor

GIB = 2**30
JOB = Job("text", b"words", LIMITS, GIB)


def scripted(body: str) -> Extractor:
    """An extractor whose process runs this."""
    return Extractor((sys.executable, "-c", f"import os, sys, time\n{body}"))


async def reason(extractor: Extractor, timeout: float = 30) -> str:  # noqa: ASYNC109 - of the process
    """Why there are no words."""
    with pytest.raises(ReadingError) as caught:
        await extractor.extract(JOB, timeout)
    return caught.value.reason


async def test_a_document_is_read_in_a_process_of_its_own() -> None:
    """The real one, with a document that is larger than a pipe holds."""
    data = docx(paragraphs("第一行") + f"<!--{''.join(map(str, range(60000)))}-->" + paragraphs("第二行"))
    assert len(data) > 65536
    assert await Extractor().extract(Job("docx", data, LIMITS, GIB), 60) == Extract("第一行\n第二行")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems bound no address space")
async def test_memory_is_bounded() -> None:
    """A file that takes more ends in a refusal, not in a machine without memory."""
    data = b"x" * (32 * 2**20)  # which is decoded into as much again
    with pytest.raises(ReadingError) as caught:
        await Extractor().extract(Job("text", data, LIMITS, 80 * 2**20), 60)
    assert caught.value.reason in ("large", "broken")


async def test_a_refusal_says_why() -> None:
    """In a word for the model and in words for the log."""
    answer = msgspec.msgpack.encode(Failure("locked", "a password"))
    told = scripted(f"sys.stdin.buffer.read(); sys.stdout.buffer.write({answer!r})")
    with pytest.raises(ReadingError, match="a password") as caught:
        await told.extract(JOB, 30)
    assert caught.value.reason == "locked"


@pytest.mark.parametrize(
    "body",
    [
        "os.abort()",
        "sys.exit(1)",
        "sys.stdin.buffer.read(); sys.stdout.write('nonsense')",
        f"sys.stdin.buffer.read(); sys.stdout.write('x' * {2 * MOST_ANSWER}); sys.stdout.flush(); time.sleep(600)",
    ],
    ids=["crash", "exit", "nonsense", "flood"],
)
async def test_whatever_it_does_is_a_refusal(body: str) -> None:
    """Even what no Python survives, and what is no longer our process at all."""
    assert await reason(scripted(body)) == "broken"


async def test_one_that_takes_too_long_is_ended() -> None:
    """It leaves no process behind."""
    before = psutil.Process().children()
    assert await reason(scripted("time.sleep(600)"), 0.2) == "slow"
    assert psutil.Process().children() == before


async def test_one_that_cannot_start_is_a_refusal() -> None:
    """Without a program there are no words."""
    assert await reason(Extractor(("/no/such/program",))) == "broken"


async def test_one_document_at_a_time_beside_a_picture(tmp_path: Path) -> None:
    """A picture takes long, and does not hold up documents; documents wait for each other."""
    answer = msgspec.msgpack.encode(Extract("done"))
    gate, busy = tmp_path / "gate", tmp_path / "busy"
    body = (
        f"import os.path\njob = sys.stdin.buffer.read()\npicture = b'picture' in job\n"
        f"if picture:\n    while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        f"else:\n    assert not os.path.exists({str(busy)!r})\n    open({str(busy)!r}, 'w').close()\n"
        f"    os.remove({str(busy)!r})\n"
        f"sys.stdout.buffer.write({answer!r})"
    )
    extractor = scripted(body)
    picture = asyncio.create_task(extractor.extract(Job("picture", b"", LIMITS, GIB), 60))
    assert await asyncio.gather(*(extractor.extract(JOB, 60) for _ in range(2))) == [Extract("done")] * 2
    assert not picture.done()
    gate.touch()
    assert await picture == Extract("done")
