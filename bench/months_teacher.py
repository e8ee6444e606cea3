"""A training process without training, for bench/months.py: leaves the files that the night expects of each step."""

import json
import os
import sys
from pathlib import Path

import numpy as np

from onebot_bot.learning.job import Judged, Refinements, read_job, write_refined, write_verdict
from onebot_bot.learning.orphan import end_with_parent
from onebot_bot.learning.work import CANDIDATE, METRICS

CHECKPOINT = 2**20
"""Bytes of what a stage leaves for the next one."""


def main(folder: Path, step: str) -> int:
    """Do one step; the exit status."""
    end_with_parent()
    _, vectors = read_job(folder)
    with (folder / METRICS).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps({"stage": 1, "step": at, "loss": 1 / (at + 1)}) + "\n" for at in range(20))
    match step:
        case "stage1" | "stage2":
            made = folder / ("stage1" if step == "stage1" else CANDIDATE)
            made.mkdir(exist_ok=True)
            (made / "adapter_model.safetensors").write_bytes(os.urandom(CHECKPOINT))
        case "refine":
            write_refined(folder, Refinements(vectors.values, np.ones(len(vectors.raw), np.bool_)))
        case "gate":
            write_verdict(folder, Judged({"hit@1": (0.5, 0.9)}, []), 0.4)
    sys.stdout.write(json.dumps({"share": 1.0}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
