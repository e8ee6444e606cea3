"""The episodic memory measured: finding, reading, answering, keeping, and staying silent.

Every part is stored when it is done, and a run that was killed goes on from there; other recipes or another adapter
start anew.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import torch

from bench.madial import VARIABLE, find_data, load_madial
from bench.memory_finding import Found, ask_madial
from bench.memory_lasting import load_text
from bench.memory_report import print_report
from bench.memory_results import (
    CONFUSABLE,
    IN_CHATS,
    NEW,
    OURS,
    PROJECTED,
    REFINED,
    TRAINED,
    Answered,
    Called,
    Decoded,
    Kept,
    Refined,
    Results,
    Retrieved,
    Seeds,
)
from bench.memory_scopes import Leaks, measure_leaks
from bench.memory_seed import Seed, SeedResults
from bench.memory_setup import FULL, MODEL, PRIMED, QUICK, THREADS, WORK, Bench, Parts, set_up
from bench.report import describe_machine


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write what was asked for."""
    given = _parse(arguments)
    torch.set_num_threads(THREADS)
    bench = set_up(MODEL, given.primed, given.work, QUICK if given.quick else FULL)
    text, data = load_text(_data(given.data)), find_data(given.data)
    seeds = given.seeds or ([0] if given.quick else [0, 1, 2])
    print(f"what is measured lies in {bench.work}", flush=True)
    shared = Parts(bench.work / "all")
    leaks = shared.take("leaks", Leaks, measure_leaks)
    madial = (
        {} if data is None else shared.take("madial", dict[str, Found], lambda: ask_madial(bench, load_madial(data)))
    )
    runs = [Seed(bench, number, text) for number in seeds]
    measured = [run.measure(ablations=given.ablations) for run in runs]
    seconds = shared.seconds + sum(run.seconds for run in runs)
    results = Results(
        machine=describe_machine(["torch", "transformers", "peft"]),
        seeds=len(seeds),
        minutes=seconds / 60,
        quick=given.quick,
        retrieved=tuple(_retrieved(bench, measured)),
        decoded=tuple(_decoded(measured)),
        refined=tuple(_refined(bench, measured)),
        answered=tuple(_answered(measured)),
        kept=tuple(_kept(measured)),
        called=tuple(_called(measured)),
        madial={name: (f.hit1, f.hit5, f.hit10, f.mrr) for name, f in madial.items()},
        leaks=leaks.leaks,
        scoped_queries=leaks.queries,
    )
    (bench.work / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    print_report(results, given.json, given.png)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="64 facts and one seed, within 10 minutes on 2 cores")
    add("--json", type=Path, metavar="FILE", help="write the figures and the goals there")
    add("--png", type=Path, metavar="FILE", help="draw there")
    add("--data", type=Path, metavar="FOLDER", help=f"has madial-zh/ and kdconv-zh/; default: {VARIABLE}")
    add("--seeds", type=_numbers, default=[], metavar="N,N", help="default: 0,1,2; quick: 0")
    add("--primed", type=Path, default=PRIMED, metavar="FOLDER", help="adapter to begin with; default: what is shipped")
    add("--work", type=Path, default=WORK, metavar="FOLDER", help="where what was measured is kept")
    add("--ablations", action="store_true", help="also without priming, and with fewer steps of refinement")
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _data(given: Path | None) -> Path | None:
    return given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)


# --- seeds side by side ----------------------------------------------------------------------------------------------


def _retrieved(bench: Bench, runs: Sequence[SeedResults]) -> list[Retrieved]:
    size = bench.sizes.facts
    rows: dict[str, list[list[Found]]] = {name: [run.baselines[name] for run in runs] for name in runs[0].baselines}
    epochs = bench.sizes.classic_epochs
    shortened = "" if epochs == bench.classic.ask.epochs else f", {epochs} of {bench.classic.ask.epochs} epochs"
    classic = [run.classic for run in runs if run.classic is not None]
    if classic:
        rows["classic" + shortened + (", one seed" if len(classic) < len(runs) else "")] = classic
    if all(run.ablations for run in runs):
        rows["default, not primed"] = [run.ablations.unprimed for run in runs if run.ablations]
    rows["primed, no night"] = [run.primed.found for run in runs]
    rows[OURS] = [run.default.found for run in runs]
    found = [_row(name, CONFUSABLE, size, [each[0] for each in row]) for name, row in rows.items()]
    found += [_row(name + IN_CHATS, CONFUSABLE, size, [each[1] for each in row]) for name, row in rows.items()]
    for name in runs[0].trained:
        found.append(_row(name, TRAINED, bench.sizes.trained, [run.trained[name] for run in runs]))
    for bank, by_row in runs[0].new.items():
        found += [_row(name, NEW, bank, [run.new[bank][name] for run in runs]) for name in by_row]
    return found


def _row(name: str, asked: str, bank: int, found: Sequence[Found]) -> Retrieved:
    return Retrieved(
        row=name,
        asked=asked,
        bank=bank,
        hit1=tuple(each.hit1 for each in found),
        hit10=tuple(each.hit10 for each in found),
        mrr=tuple(each.mrr for each in found),
    )


def _decoded(runs: Sequence[SeedResults]) -> list[Decoded]:
    kinds = {
        REFINED: [run.brought.parts for run in runs],
        TRAINED: [run.trained_values for run in runs],
        PROJECTED: [run.projected for run in runs],
    }
    return [
        Decoded(
            row=OURS,
            value=value,
            part=part,
            exact=tuple(each[part].exact for each in parts if part in each),
            f1=tuple(each[part].f1 for each in parts if part in each),
        )
        for value, parts in kinds.items()
        for part in dict.fromkeys(part for each in parts for part in each)
    ]


def _refined(bench: Bench, runs: Sequence[SeedResults]) -> list[Refined]:
    rows = {0: [run.trained_values["all"].exact for run in runs]}
    for run in runs:
        for steps, read in (run.ablations.fewer if run.ablations else {}).items():
            rows.setdefault(steps, []).append(read.exact)
    rows[bench.recipes.refine.steps] = [run.brought.parts["all"].exact for run in runs]
    return [Refined(steps=steps, exact=tuple(exact)) for steps, exact in sorted(rows.items())]


def _answered(runs: Sequence[SeedResults]) -> list[Answered]:
    return [
        Answered(
            row=name,
            asked=kind,
            right=tuple(run.answers[name][kind].right for run in runs),
            tokens=tuple(run.answers[name][kind].tokens for run in runs),
        )
        for name, kinds in runs[0].answers.items()
        for kind in kinds
    ]


def _kept(runs: Sequence[SeedResults]) -> list[Kept]:
    def change(run: SeedResults, nights: int) -> float:
        return 100 * (run.nights[nights].losses.replies / run.bare.replies - 1)

    return [
        Kept(
            nights=nights,
            loss=tuple(change(run, nights) for run in runs),
            exact=tuple(run.nights[nights].exact for run in runs),
            text_loss=_text_change(runs, nights),
        )
        for nights in runs[0].nights
    ]


def _text_change(runs: Sequence[SeedResults], nights: int) -> Seeds:
    pairs = [(run.nights[nights].losses.text, run.bare.text) for run in runs]
    return tuple(100 * (now / before - 1) for now, before in pairs if now is not None and before)


def _called(runs: Sequence[SeedResults]) -> list[Called]:
    kinds: dict[str, Callable[[SeedResults], tuple[int, int, int, int]]] = {
        "primed, no night": lambda run: msgspec.structs.astuple(run.primed.calls),
        OURS: lambda run: msgspec.structs.astuple(run.default.calls),
    }
    found = []
    for name, calls_of in kinds.items():
        calls = [calls_of(run) for run in runs]
        found.append(
            Called(
                row=name,
                precision=tuple(recalled / max(1, recalled + false) for _, recalled, _, false in calls),
                recall=tuple(recalled / asked for asked, recalled, _, _ in calls),
                false=tuple(false / ordinary for _, _, ordinary, false in calls),
            )
        )
    return found


if __name__ == "__main__":
    main()
