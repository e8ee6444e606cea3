"""Messages in, answers out: this bot on the echo engine beside NoneBot2 + nonebot-adapter-onebot.

Every server runs in its own process on one core, the client on another; rounds are interleaved.
"""

import contextlib
import importlib.util
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import psutil
from msgspec import Struct

from bench.goals import goals_of
from bench.napcat import WINDOW, NapCat
from bench.report import Run, describe_machine, format_table, median_ratio, parse_arguments, report, run_interleaved
from bench.servers import cores, pin, running

ROUTING, HISTORY, PEER = "routing only", "history committed", "NoneBot2"
KEYS = {ROUTING: "routing", HISTORY: "history", PEER: "nonebot"}
"""What the figures are called by."""
GOALS = goals_of("message_path")
VERSIONS = ("websockets", "msgspec", "uvloop")
PEER_VERSIONS = ("nonebot2", "nonebot-adapter-onebot", "uvicorn")


class Plan(Struct, frozen=True):
    """How much is measured."""

    rounds: int
    messages: int
    """One at a time, a round."""
    seconds: float
    """With a window in flight, a round."""


WARMING, QUICK, FULL = Plan(1, 100, 0.5), Plan(5, 300, 0.7), Plan(9, 1000, 1.5)


class Round(Struct, frozen=True):
    """One round of one server."""

    p50: float
    """Seconds from a message to its answer, one at a time."""
    p99: float
    rate: float
    """Messages answered a second."""
    busy: float
    """Seconds of CPU a message, at that rate."""


class Peer(Struct, frozen=True):
    """A running server and the client connected to it."""

    process: psutil.Process
    client: NapCat

    def measure(self, plan: Plan) -> Round:
        """One round."""
        delays = statistics.quantiles(self.client.measure_delays(plan.messages), n=100, method="inclusive")
        before = self._cpu_seconds()
        rate = self.client.measure_rate(plan.seconds)
        busy = (self._cpu_seconds() - before) / (rate * plan.seconds)
        return Round(p50=delays[49], p99=delays[98], rate=rate, busy=busy)

    def _cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


# --- servers -----------------------------------------------------------------------------------------------------


def find_commands(folder: Path) -> dict[str, list[str]]:
    """The module and its arguments for every server that can run here, up to the port."""
    commands = {
        ROUTING: ["bench.peers.ours", str(folder / "routing"), "echo", "nothing", "plain"],
        HISTORY: ["bench.peers.ours", str(folder / "history"), "echo", "history", "plain"],
    }
    if importlib.util.find_spec("nonebot") is not None:
        commands[PEER] = ["bench.peers.nonebot_echo", str(folder / "nonebot"), "plain"]
    return commands


@contextlib.contextmanager
def connected(command: Sequence[str], log: Path) -> Iterator[Peer]:
    """A server and a client."""
    with running(command, log) as (process, port), NapCat(port) as client:
        yield Peer(process, client)


# --- figures -----------------------------------------------------------------------------------------------------


def measure(commands: Mapping[str, Sequence[str]], folder: Path, plan: Plan) -> dict[str, list[Round]]:
    """The rounds of every server, interleaved."""
    usable = cores()
    pin(usable[:1])
    with contextlib.ExitStack() as stack:
        peers = {
            name: stack.enter_context(connected(command, folder / f"{index}.log"))
            for index, (name, command) in enumerate(commands.items())
        }
        pin(usable[-1:])
        for peer in peers.values():
            peer.measure(WARMING)
        return run_interleaved(plan.rounds, {name: partial(peer.measure, plan) for name, peer in peers.items()})


def find_figures(rounds: Mapping[str, Sequence[Round]]) -> dict[str, float]:
    """Medians over the rounds, and the medians of the ratios to the peer."""
    figures: dict[str, float] = {}
    for name, key in KEYS.items():
        for field, unit in (("p50", 1e6), ("p99", 1e6), ("rate", 1), ("busy", 1e6)):
            if name in rounds:
                figures[f"{field}_{key}"] = unit * statistics.median(_values(rounds[name], field))
    if PEER in rounds:
        for name in (ROUTING, HISTORY):
            ours, theirs = rounds[name], rounds[PEER]
            figures[f"rate_ratio_{KEYS[name]}"] = median_ratio(_values(ours, "rate"), _values(theirs, "rate"))
            figures[f"p99_ratio_{KEYS[name]}"] = median_ratio(_values(theirs, "p99"), _values(ours, "p99"))
    return figures


def _values(rounds: Sequence[Round], field: str) -> list[float]:
    return [getattr(one, field) for one in rounds]


def _row(name: str, figures: Mapping[str, float]) -> list[str]:
    key = KEYS[name]
    cells = [f"{figures[f'{field}_{key}']:,.0f}" for field in ("p50", "p99", "rate", "busy")]
    ratios = [figures.get(f"{field}_ratio_{key}") for field in ("rate", "p99")]
    return [name, *cells, *("-" if ratio is None else f"{ratio:.1f}x" for ratio in ratios)]


def main() -> None:
    """Measure, print, write."""
    arguments = parse_arguments(__doc__ or "")
    plan = QUICK if arguments.quick else FULL
    with tempfile.TemporaryDirectory() as name:
        commands = find_commands(Path(name))
        rounds = measure(commands, Path(name), plan)
    figures = find_figures(rounds)
    machine = describe_machine([*VERSIONS, *(PEER_VERSIONS if PEER in rounds else ())])
    print(machine)
    head = ("server", "p50 us", "p99 us", "msg/s", "CPU us/msg", "msg/s ratio", "p99 ratio")
    print(format_table(head, [_row(name, figures) for name in rounds]))
    print(f"Medians of {plan.rounds} rounds; delays one message at a time, msg/s with {WINDOW} in flight.")
    if PEER not in rounds:
        print("NoneBot2 is not installed, so nothing is compared: pip install -c constraints.txt -e '.[bench]'")
    report(figures, GOALS, arguments.json, Run(machine, arguments.quick))


if __name__ == "__main__":
    main()
