"""Fixtures that several folders use."""

import io
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
import structlog
from fakes import FakeClock, ScriptedEngine
from PIL import Image

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def trial_folder() -> Path:
    """The trial model, which `make test` fetches."""
    folder = ROOT / "models" / "trial"
    if not (folder / "config.json").exists():
        pytest.fail("the trial model is missing: run `onebot-bot fetch trial` (make test does)", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def qwen_tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Qwen3's real tokenizer."""
    folder = tmp_path_factory.mktemp("qwen-tokenizer")
    packed = DATA / "qwen3-tokenizer.json.xz"
    (folder / "tokenizer.json").write_bytes(lzma.decompress(packed.read_bytes()))
    config: dict[str, Any] = json.loads((DATA / "qwen3-tokenizer_config.json").read_text(encoding="utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture
def passing_loggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loggers that `logging_to` sets up and later tests find as they were: none keeps what it was set up with."""
    configure = structlog.configure

    def without_cache(**options: Any) -> None:
        configure(**{**options, "cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", without_cache)


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes only when the test says so."""
    return FakeClock()


@pytest.fixture
def engine() -> ScriptedEngine:
    """An engine whose answers the test gives."""
    return ScriptedEngine()


@pytest.fixture
def picture() -> bytes:
    """A small PNG with some structure."""
    image = Image.new("RGB", (96, 64))
    image.putdata([(x * 2 % 256, y * 4 % 256, (x * y) % 256) for y in range(64) for x in range(96)])
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
