"""From nothing to the first token: this bot beside a bare script with torch and transformers, and what the socket does.

Each start is a process of its own. The script loads the same model with the same class and writes one token; the bot is
started as a person starts it, told something as soon as it listens, and answers with one token. Rounds are interleaved;
what the disk has in memory it has for both, so a first start after booting takes longer than either.
"""

import asyncio
import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect

from bench.goals import goals_of
from bench.report import Run, describe_machine, format_table, median_ratio, parse_arguments, report, run_interleaved
from onebot_bot.config_file import set_key
from onebot_bot.errors import NotConnected
from onebot_bot.transport.client import OneBotClient

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "models" / "trial"
GOALS = goals_of("startup")
QUICK, FULL = 2, 7
"""Rounds."""
SETTINGS: Mapping[str, object] = {
    "model.path": str(MODEL),
    "server.token": "",
    "chat.merge_window": 0.0,
    "chat.typing_speed": 0.0,
    "chat.max_delay": 0.0,
    "sending.interval": 0.0,
    "sending.jitter": 0.0,
    "sending.per_minute": 0,
    "generation.temperature": 0.0,
    "generation.max_new_tokens": 1,
    "memory.recall": "off",
    "learning.enabled": False,
    "learning.refine_idle": False,
}
BARE = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(max(1, torch.get_num_threads() - 1))
dtype = torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=dtype)
asked = [{"role": "user", "content": "Good morning!"}]
ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
out = model.generate(**ids, do_sample=False, max_new_tokens=1)
print(tokenizer.decode(out[0, -1:]), flush=True)
"""
"""What the peer is; on as many threads as the bot takes."""
ACCOUNT, PERSON = 3889001234, 90001
PATIENCE = 300.0
"""Seconds until a start that does not come to a token is an error."""


class Start(Struct, frozen=True):
    """One start; seconds. The peer has the first alone."""

    token: float
    """Until the first token was there."""
    listening: float = 0.0
    """Until a client was let in."""
    pong: float = 0.0
    """The slowest answer to a ping from then until the token."""


# --- starts --------------------------------------------------------------------------------------------------------


def start_bare() -> Start:
    """The script, until it has printed its token."""
    begun = time.perf_counter()
    with process([sys.executable, "-c", BARE, str(MODEL)]) as running:
        assert running.stdout is not None
        if not running.stdout.readline():
            raise SystemExit(f"the script ended with {running.wait()} before its token")
        return Start(token=time.perf_counter() - begun)


def start_bot() -> Start:
    """The bot in a folder of its own, until its answer has arrived."""
    with tempfile.TemporaryDirectory() as name:
        config, port = Path(name) / "config.toml", _free_port()
        shutil.copy(ROOT / "config.toml", config)
        for key, value in {**SETTINGS, "server.port": port}.items():
            set_key(config, key, json.dumps(value))
        begun = time.perf_counter()
        with process([sys.executable, "-m", "onebot_bot", "run", "--config", str(config)]):
            return asyncio.run(asyncio.wait_for(_first_answer(port, begun), PATIENCE))


@contextlib.contextmanager
def process(command: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Killed on leaving: nothing of it is kept."""
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


async def _first_answer(port: int, begun: float) -> Start:
    url = f"ws://127.0.0.1:{port}/onebot/v11/ws"
    client = await _let_in(url)
    listening = time.perf_counter() - begun
    pings = asyncio.create_task(_slowest_pong(url))
    await client.send_event(client.private_message(PERSON, "Good morning!"))
    await client.next_call("send_private_msg")
    token = time.perf_counter() - begun
    pings.cancel()
    await client.__aexit__(None, None, None)
    return Start(token=token, listening=listening, pong=await pings)


async def _let_in(url: str) -> OneBotClient:
    """Dial until somebody answers."""
    while True:
        client = OneBotClient(url, ACCOUNT)
        try:
            return await client.__aenter__()
        except NotConnected:
            await asyncio.sleep(0.005)


async def _slowest_pong(url: str) -> float:
    """Ping from a second account until cancelled; seconds."""
    slowest = 0.0
    with contextlib.suppress(asyncio.CancelledError):
        async with connect(
            url, additional_headers={"X-Self-ID": str(ACCOUNT + 1), "x-client-role": "Universal"}
        ) as other:
            while True:
                sent = time.perf_counter()
                await _pong(other)
                slowest = max(slowest, time.perf_counter() - sent)
                await asyncio.sleep(0.02)
    return slowest


async def _pong(other: ClientConnection) -> None:
    await (await other.ping())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- figures -------------------------------------------------------------------------------------------------------


def find_figures(bot: Sequence[Start], bare: Sequence[Start]) -> dict[str, float]:
    """Medians over the rounds; of the pongs the slowest of all."""
    return {
        "bare": statistics.median(start.token for start in bare),
        "bot": statistics.median(start.token for start in bot),
        "start_ratio": median_ratio([start.token for start in bot], [start.token for start in bare]),
        "listens_after": statistics.median(start.listening for start in bot),
        "slowest_pong": max(start.pong for start in bot),
    }


def main() -> None:
    """Measure, print, write."""
    arguments = parse_arguments(__doc__ or "")
    rounds = QUICK if arguments.quick else FULL
    starts = {"bare": start_bare, "bot": start_bot}
    run_interleaved(1, starts)
    found = run_interleaved(rounds, starts)
    figures = find_figures(found["bot"], found["bare"])
    machine = describe_machine(["torch", "transformers"])
    print(machine)
    rows = [[name, f"{figures[name]:.2f}"] for name in starts]
    print(format_table(("start", "s to a token"), rows))
    print(f"Medians of {rounds} rounds, after one that does not count.")
    report(figures, GOALS, arguments.json, Run(machine, arguments.quick))


if __name__ == "__main__":
    main()
