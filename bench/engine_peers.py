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


def llama_cpp(gguf: Path | None, ids: list[int], tokens: int, threads: int) -> float | str:
    """llama-cpp-python over the same weights, one chat."""
    if importlib.util.find_spec("llama_cpp") is None:
        return "skipped: llama-cpp-python is not installed"
    if gguf is None:
        return "skipped: no --gguf FILE was given"
    llama: Any = importlib.import_module("llama_cpp").Llama(str(gguf), n_ctx=2048, n_threads=threads, verbose=False)
    rates = []
    for _ in range(3):
        llama.reset()
        started = time.perf_counter()
        for count, _token in enumerate(llama.generate(ids, temp=0.0), start=1):
            if count == tokens:
                break
        rates.append(tokens / (time.perf_counter() - started))
    return sorted(rates)[1]


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
