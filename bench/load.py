"""Everybody at once: thousands of messages in one burst, to twenty accounts in two hundred groups.

On the echo engine, with the history as shipped, beside NoneBot2 + nonebot-adapter-onebot, which keeps none; then a
message in every group on the trial model, whose thread is busy all the while. Each time: messages answered a second,
delays, what memory grows by, how alike the groups are served, how late the event loop comes round, and how long a
further client's handshake takes meanwhile, for which NapCat has two seconds of patience.
"""

import importlib.util
import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from msgspec import Struct

from bench.crowd import CHATS, Burst, Crowd
from bench.goals import goals_of
from bench.peers.lags import LAGS, Lag, read_lags
from bench.report import Run, describe_machine, format_table, median_ratio, parse_arguments, report, run_interleaved
from bench.servers import cores, pin, running

ECHO, PEER, TRIAL = "echo", "nonebot", "trial"
NAMES = {ECHO: "this bot, echo engine", PEER: "NoneBot2, nothing stored", TRIAL: "this bot, trial model"}
GOALS = goals_of("load")
MODEL = Path(__file__).resolve().parent.parent / "models" / "trial"
VERSIONS = ("websockets", "uvloop", "torch")
PEER_VERSIONS = ("nonebot2", "nonebot-adapter-onebot", "uvicorn")
MIB = 2**20


class Plan(Struct, frozen=True):
    """How much is measured."""

    rounds: int
    messages: int
    """In one burst, to the echo engine and the peer."""
    asked: int
    """Of the trial model, each in a group of its own."""


QUICK, FULL = Plan(1, 1000, 24), Plan(3, 5000, CHATS)


class Measured(Struct, frozen=True):
    """One burst and its server."""

    unanswered: int
    rate: float
    """Messages answered a second, from the burst to the last answer."""
    p50: float
    """Seconds from the burst to an answer."""
    p99: float
    slowest_group: float
    """How many times as long as the median group the slowest one waited for its last answer."""
    evenness: float
    """Jain's index of the groups' answers when half of all are out: 1, all have as many; 1/n, one has all."""
    growth: float
    """Bytes of memory that the burst took at most."""
    lag_p99: float
    """Seconds by which the event loop was late."""
    own_lag_p99: float
    """The same without what it waited for a core that others had."""
    lag_worst: float
    handshake: float
    """Seconds of the slowest handshake."""


# --- measuring ---------------------------------------------------------------------------------------------------


def measure(kind: str, plan: Plan, folder: Path) -> Measured:
    """One burst to a server of its own."""
    place = Path(tempfile.mkdtemp(dir=folder))
    usable = cores()
    pin(usable if kind == TRIAL else usable[:1])
    with running(find_command(kind, place), place / "output.log") as (process, port):
        pin(usable[-1:])
        with Crowd(port) as crowd:
            crowd.warm_up()
            before = process.memory_info().rss
            burst = crowd.burst(plan.asked if kind == TRIAL else plan.messages, checked=kind != TRIAL)
            peak = peak_memory(process)
        pin(usable)
        lags = read_lags(place / LAGS, burst.begun, burst.ended)
    return judge(burst, peak - before, lags)


def find_command(kind: str, folder: Path) -> list[str]:
    """The module and its arguments, up to the port."""
    if kind == PEER:
        return ["bench.peers.nonebot_echo", str(folder), LAGS]
    return ["bench.peers.ours", str(folder), "echo" if kind == ECHO else str(MODEL), "history", LAGS]


def peak_memory(process: psutil.Process) -> int:
    """Bytes of memory that a process ever had; what it has now where the system does not tell."""
    status = Path(f"/proc/{process.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else int(process.memory_info().rss)


def judge(burst: Burst, growth: int, lags: Sequence[Lag]) -> Measured:
    """What a burst's answers tell."""
    delays = [heard.when - burst.begun for heard in burst.answers]
    shares = statistics.quantiles(delays, n=100, method="inclusive")
    return Measured(
        unanswered=burst.asked - len(delays),
        rate=len(delays) / (burst.ended - burst.begun),
        p50=shares[49],
        p99=shares[98],
        slowest_group=slowest_group(burst),
        evenness=evenness(burst),
        growth=growth,
        lag_p99=_p99([lag.late for lag in lags]),
        own_lag_p99=_p99([lag.own for lag in lags]),
        lag_worst=max(lag.late for lag in lags),
        handshake=max(burst.handshakes),
    )


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def slowest_group(burst: Burst) -> float:
    """How many times as long as the median group the slowest one waited for its last answer."""
    last: defaultdict[int, float] = defaultdict(float)
    for heard in burst.answers:
        last[heard.group] = max(last[heard.group], heard.when - burst.begun)
    return max(last.values()) / statistics.median(last.values())


def evenness(burst: Burst) -> float:
    """Jain's index of the answers that the groups have when half of all are out."""
    half = burst.answers[: len(burst.answers) // 2]
    counts = Counter(heard.group for heard in half)
    everyone = len({heard.group for heard in burst.answers})
    return sum(counts.values()) ** 2 / (everyone * sum(count**2 for count in counts.values()))


# --- figures -----------------------------------------------------------------------------------------------------


def find_figures(rounds: Mapping[str, Sequence[Measured]]) -> dict[str, float]:
    """Medians over the rounds; of what must not be, the worst."""
    figures: dict[str, float] = {}
    for kind, found in rounds.items():
        # Of one message in each group there is nothing to be even.
        for field in ("rate", *(() if kind == TRIAL else ("slowest_group", "evenness"))):
            figures[f"{field}_{kind}"] = statistics.median(_values(found, field))
        for field in ("p50", "p99", "lag_p99", "own_lag_p99", "lag_worst"):
            figures[f"{field}_ms_{kind}"] = 1000 * statistics.median(_values(found, field))
        figures[f"growth_mib_{kind}"] = statistics.median(_values(found, "growth")) / MIB
        figures[f"handshake_ms_{kind}"] = 1000 * max(_values(found, "handshake"))
        figures[f"unanswered_{kind}"] = sum(_values(found, "unanswered"))
    if PEER in rounds:
        figures["rate_ratio"] = median_ratio(_values(rounds[ECHO], "rate"), _values(rounds[PEER], "rate"))
        figures["p99_ratio"] = median_ratio(_values(rounds[PEER], "p99"), _values(rounds[ECHO], "p99"))
    return figures


def _values(rounds: Sequence[Measured], field: str) -> list[float]:
    return [getattr(one, field) for one in rounds]


COLUMNS: Mapping[str, tuple[str, str]] = {
    "rate": ("msg/s", "{:,.0f}"),
    "p50_ms": ("p50 ms", "{:,.0f}"),
    "p99_ms": ("p99 ms", "{:,.0f}"),
    "lag_p99_ms": ("lag p99 ms", "{:.1f}"),
    "own_lag_p99_ms": ("own lag p99 ms", "{:.1f}"),
    "lag_worst_ms": ("worst lag ms", "{:.1f}"),
    "handshake_ms": ("handshake ms", "{:,.0f}"),
    "growth_mib": ("memory MiB", "{:.1f}"),
    "evenness": ("evenness", "{:.3f}"),
    "slowest_group": ("slowest group", "{:.2f}x"),
    "unanswered": ("unanswered", "{:.0f}"),
}


def _row(kind: str, figures: Mapping[str, float]) -> list[str]:
    values = [(form, figures.get(f"{key}_{kind}")) for key, (_, form) in COLUMNS.items()]
    return [NAMES[kind], *("-" if value is None else form.format(value) for form, value in values)]


def main() -> None:
    """Measure, print, write."""
    arguments = parse_arguments(__doc__ or "")
    plan = QUICK if arguments.quick else FULL
    compared = [ECHO, *([PEER] if importlib.util.find_spec("nonebot") is not None else [])]
    with tempfile.TemporaryDirectory() as name:
        ways = {kind: lambda kind=kind: measure(kind, plan, Path(name)) for kind in compared}
        rounds = run_interleaved(plan.rounds, ways)
        rounds[TRIAL] = [measure(TRIAL, plan, Path(name))]
    figures = find_figures(rounds)
    machine = describe_machine([*VERSIONS, *(PEER_VERSIONS if PEER in rounds else ())])
    print(machine)
    rows = [_row(kind, figures) for kind in rounds]
    print(format_table(("server", *(head for head, _ in COLUMNS.values())), rows))
    if PEER not in rounds:
        print("NoneBot2 is not installed, so nothing is compared: pip install -c constraints.txt -e '.[bench]'")
    report(figures, GOALS, arguments.json, Run(machine, arguments.quick))


if __name__ == "__main__":
    main()
