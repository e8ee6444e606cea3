"""Peers of the engine that may not run here: each gives its tokens a second, or says why it was skipped."""

import importlib
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PATIENCE = 300.0
"""Seconds for a peer in a process of its own: one that waits for ever is skipped."""


def why_no_llama(gguf: Path | None) -> str | None:
    """Why llama.cpp is skipped; None when it can run."""
    if importlib.util.find_spec("llama_cpp") is None:
        return "skipped: llama-cpp-python is not installed (the extra bench-llama: see bench/README.md)"
    return "skipped: no --gguf FILE was given" if gguf is None else None


class Llama:
    """llama-cpp-python over a GGUF file of the same weights, greedy, one chat at a time."""

    def __init__(self, gguf: Path, threads: int) -> None:
        self._model: Any = importlib.import_module("llama_cpp").Llama(
            str(gguf), n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False
        )

    def rate(self, ids: list[int], tokens: int) -> float:
        """Tokens a second of an answer, reading the prompt included."""
        self._model.reset()
        started = time.perf_counter()
        self._write(ids, tokens)
        return tokens / (time.perf_counter() - started)

    def decode_rate(self, ids: list[int], tokens: int) -> float:
        """Tokens a second after the first."""
        self._model.reset()
        first, last = self._write(ids, tokens)
        return (tokens - 1) / (last - first)

    def _write(self, ids: list[int], tokens: int) -> tuple[float, float]:
        """When the first and the last token were there."""
        written = self._model.generate(ids, temp=0.0)
        next(written)
        first = time.perf_counter()
        for _ in range(tokens - 1):
            next(written)
        return first, time.perf_counter()


def continuous_batching(model: Path, prompts: list[list[int]], tokens: int, threads: int) -> float | str:
    """Transformers' `generate_batch` in a process of its own, all chats at once."""
    work = json.dumps([str(model), prompts, tokens, threads])
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.engine_peers"], input=work, capture_output=True, text=True,
            timeout=PATIENCE, check=True,
        )  # fmt: skip
        return float(done.stdout.rsplit(maxsplit=1)[-1])
    except subprocess.TimeoutExpired:
        return f"skipped: no result within {PATIENCE:.0f} s"
    except subprocess.CalledProcessError as error:
        return f"skipped: {(error.stderr.strip().splitlines() or ['it failed'])[-1]}"
    except (ValueError, IndexError):
        return "skipped: it gave no result"


def _measure_continuous_batching() -> None:
    """Read the work from the input, print tokens a second: the better of two runs, the first of which warms up."""
    import torch  # noqa: PLC0415 - only in the process of its own
    import transformers  # noqa: PLC0415

    path, prompts, tokens, threads = json.loads(sys.stdin.read())
    torch.set_num_threads(threads)
    network: Any = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16)
    settings = transformers.GenerationConfig(  # type: ignore[no-untyped-call]  # transformers' own
        max_new_tokens=tokens, do_sample=False, eos_token_id=-1, pad_token_id=0
    )
    rates = []
    for _ in range(2):
        started = time.perf_counter()
        found = network.generate_batch(prompts, generation_config=settings)
        written = sum(len(output.generated_tokens) for output in found.values())
        rates.append(written / (time.perf_counter() - started))
    print(max(rates) or "nothing was written")


if __name__ == "__main__":
    _measure_continuous_batching()
