"""What bench/load.py makes of a burst's answers."""

import asyncio
import time
from pathlib import Path

import pytest
from fakes import until

from bench.crowd import Burst, Heard
from bench.load import ECHO, PEER, TRIAL, Measured, evenness, find_figures, judge, slowest_group
from bench.napcat import number_in
from bench.peers.lags import SAMPLE, Lag, note_lags, read_lags


def burst(*groups: int, asked: int = 0) -> Burst:
    """Answers to these groups, a second apart."""
    answers = [Heard(100.0 + place, group) for place, group in enumerate(groups, 1)]
    return Burst(asked or len(answers), 100.0, answers, [0.25, 0.5])


def lags(*late: float) -> list[Lag]:
    """Samples, half of whose lateness was waiting for a core."""
    return [Lag(100.0, seconds, seconds / 2) for seconds in late]


def test_groups_served_in_turn_are_even() -> None:
    """Halfway each has as many answers."""
    assert evenness(burst(1, 2, 3, 4, 1, 2, 3, 4)) == 1.0


def test_groups_served_one_after_the_other_are_not() -> None:
    """Halfway two of four have all of theirs, the others none."""
    assert evenness(burst(1, 1, 2, 2, 3, 3, 4, 4)) == 0.5


def test_the_slowest_group_is_held_against_the_median() -> None:
    """By when each has its last answer: at 3, 4 and 8 seconds."""
    assert slowest_group(burst(1, 2, 1, 2, 3, 3, 3, 3)) == 2.0


def test_a_burst_is_judged() -> None:
    """Rate to the last answer, delays from the burst on, and what got none."""
    found = judge(burst(1, 2, 1, 2, asked=5), 2**20, lags(0.0, 0.001, 0.02))
    assert (found.unanswered, found.rate, found.p50) == (1, 1.0, 2.5)
    assert (found.handshake, found.lag_worst, found.growth) == (0.5, 0.02, 2**20)
    assert found.own_lag_p99 == found.lag_p99 / 2


def test_figures_are_medians_and_the_worst_of_what_must_not_be() -> None:
    """With the peer's ratios where it was measured."""
    good = judge(burst(1, 2, 1, 2), 2**20, lags(0.0, 0.0))
    bad = judge(burst(1, 2, 1, asked=9), 2**20, lags(0.0, 0.0))
    figures = find_figures({ECHO: [good, good, bad], TRIAL: [good], PEER: [good, good, good]})
    assert figures["unanswered_echo"] == 6
    assert figures["rate_ratio"] == 1.0
    assert figures["growth_mib_trial"] == 1.0
    assert "rate_ratio" not in find_figures({ECHO: [good], TRIAL: [good]})


def test_lags_of_a_time_are_read(tmp_path: Path) -> None:
    """Those before and after are not, and a sample that is not whole yet is none."""
    file = tmp_path / "lags"
    file.write_bytes(b"".join(SAMPLE.pack(float(when), when / 1000, 0.0) for when in range(10)) + b"half")
    assert [lag.late for lag in read_lags(file, 3.0, 5.0)] == [0.003, 0.004, 0.005]


async def test_a_loop_that_is_held_up_notes_it(tmp_path: Path) -> None:
    """Work that does not wait is the server's own doing."""
    file, began = tmp_path / "lags", time.perf_counter()
    noting = asyncio.create_task(note_lags(file))
    await asyncio.sleep(0)  # it is asleep
    end = time.thread_time() + 0.05
    while time.thread_time() < end:
        pass
    await until(lambda: bool(read_lags(file, began, began + 60)))
    noting.cancel()
    await asyncio.wait([noting])
    assert read_lags(file, began, began + 60)[0].own > 0.03


@pytest.mark.parametrize(("text", "number"), [("今晚下班以后一起去吃火锅吗 #12", 12), ("火锅吗 #12", 0), ("", 0)])
def test_an_echo_is_known_word_for_word(text: str, number: int) -> None:
    """Anything else answers no message."""
    assert number_in(f"@bot  {text}") == number


def test_all_fields_are_figures() -> None:
    """Nothing is measured that is not told."""
    figures = find_figures({ECHO: [judge(burst(1, 2), 0, lags(0.0, 0.0))]})
    stems = {name.removesuffix("_echo").removesuffix("_ms").removesuffix("_mib") for name in figures}
    assert stems == set(Measured.__struct_fields__)
