"""A model in a process whose memory really runs out, by the kernel's limit; prints what became of the answers."""

import asyncio
import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from tiny import load_tiny

from onebot_bot.engine import forward
from onebot_bot.engine.generate import Generator
from onebot_bot.engine.request import Conversation, GenerationRequest, SamplingParams, Text, Turn
from onebot_bot.engine.worker import EngineWorker
from onebot_bot.errors import ModelError

SPARE = 4 * 2**20
"""Bytes that it may still take: a long prompt's later chunks take more, each for its mask."""


def asked(turns: int) -> GenerationRequest:
    """A chat of so many turns."""
    said = "the cat sat on the mat and " * 12
    conversation = Conversation(tuple(Turn("user", (Text(f"{number} {said}"),)) for number in range(turns)))
    return GenerationRequest(conversation=conversation, sampling=SamplingParams(temperature=0, max_new_tokens=6))


async def answer(worker: EngineWorker, turns: int) -> str:
    """Its text, or why there is none."""
    try:
        return (await worker.submit(asked(turns)).result()).text
    except ModelError as error:
        return error.id


async def main(folder: Path) -> None:
    """An answer with enough memory, some with too little, and one with enough again."""
    forward.CHUNK_SECONDS = 1e6  # on a busy machine chunks would be so small that nothing runs out
    generator = Generator(load_tiny(folder))
    async with EngineWorker("tiny", lambda: generator) as worker:
        before = await answer(worker, 1)
        used, (_, most) = psutil.Process().memory_info().vms, resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + SPARE, most))
        cramped = await asyncio.gather(answer(worker, 20), answer(worker, 18), answer(worker, 1))
        short = generator.loop.room.chunk < 512
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        after = await answer(worker, 1)
    sys.stdout.write(json.dumps({"before": before, "cramped": cramped, "short": short, "after": after}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
