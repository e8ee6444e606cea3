"""onebot_bot.cli.fetch against stand-ins of the hubs on loopback."""

import argparse
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from onebot_bot.cli.fetch import ProgressLine, add_fetch_arguments, main_fetch
from onebot_bot.engine.folder import INCOMPLETE, check_model_folder
from onebot_bot.transport.hub import DEFAULT_BASES

HEADER = json.dumps({"w": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}}).encode()
CONTENT = {
    "config.json": json.dumps(
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": 64}
    ).encode(),
    "tokenizer.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors": len(HEADER).to_bytes(8, "little") + HEADER + b"abc",
}


def modelscope_app() -> web.Application:
    """A hub that has Qwen/Qwen3-0.6B, and owner/broken with a wrong checksum."""

    async def listing(request: web.Request) -> web.Response:
        broken = "broken" in request.path
        files = [
            {
                "Path": path,
                "Type": "blob",
                "Size": len(body),
                "Sha256": "0" * 64 if broken else hashlib.sha256(body).hexdigest(),
            }
            for path, body in CONTENT.items()
        ]
        return web.json_response({"Data": {"Files": files}})

    async def file(request: web.Request) -> web.Response:
        return web.Response(body=CONTENT[request.match_info["path"]])

    app = web.Application()
    for name in ("Qwen/Qwen3-0.6B", "owner/broken"):
        app.router.add_get(f"/api/v1/models/{name}/repo/files", listing)
        app.router.add_get(f"/models/{name}/resolve/master/{{path}}", file)
    return app


def huggingface_app() -> web.Application:
    """A hub that has Qwen/Qwen3-0.6B."""

    async def listing(request: web.Request) -> web.Response:
        return web.json_response([{"path": path, "type": "file", "size": len(body)} for path, body in CONTENT.items()])

    async def file(request: web.Request) -> web.Response:
        return web.Response(body=CONTENT[request.match_info["path"]])

    app = web.Application()
    app.router.add_get("/api/models/Qwen/Qwen3-0.6B/tree/main", listing)
    app.router.add_get("/Qwen/Qwen3-0.6B/resolve/main/{path}", file)
    return app


async def serve(app: web.Application) -> AsyncIterator[str]:
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


@pytest.fixture
async def modelscope() -> AsyncIterator[str]:
    async for url in serve(modelscope_app()):
        yield url


@pytest.fixture
async def huggingface() -> AsyncIterator[str]:
    async for url in serve(huggingface_app()):
        yield url


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_fetch_arguments(parser)
    return parser.parse_args(words)


def marker(name: str) -> str | None:
    """The text of the marker in models/NAME."""
    file = Path("models", name, INCOMPLETE)
    return file.read_text(encoding="utf-8") if file.exists() else None


def write_model(folder: Path) -> None:
    folder.mkdir(parents=True)
    for path, body in CONTENT.items():
        (folder / path).write_bytes(body)


async def test_a_short_name_goes_to_models(modelscope: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A known name is fetched into models/NAME, checked, and told how to use."""
    code = await main_fetch(parse("qwen3-0.6b", "--source", "modelscope", "--mirror", modelscope))
    out = capsys.readouterr().out
    assert code == 0
    assert check_model_folder(Path("models/qwen3-0.6b")).context == 64
    assert "100 % of" in out
    assert '"models/qwen3-0.6b"' in out


async def test_a_mirror_alone_is_of_huggingface(huggingface: str, tmp_path: Path) -> None:
    """--mirror without --source speaks Hugging Face's API; --to names the folder."""
    args = parse("Qwen/Qwen3-0.6B", "--mirror", huggingface, "--to", str(tmp_path / "here"))
    assert await main_fetch(args) == 0
    assert check_model_folder(tmp_path / "here").architecture == "LlamaForCausalLM"


async def test_falls_back_to_the_other_hub(
    huggingface: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When ModelScope is not reachable, Hugging Face (at HF_ENDPOINT) is asked."""
    monkeypatch.setitem(DEFAULT_BASES, "modelscope", "http://127.0.0.1:1")
    monkeypatch.setenv("HF_ENDPOINT", huggingface)
    assert await main_fetch(parse("qwen3-0.6b")) == 0
    assert capsys.readouterr().out.count("fetching Qwen/Qwen3-0.6B from") == 2
    assert marker("qwen3-0.6b") is None


async def test_unverified_download_stays_marked(modelscope: str, capsys: pytest.CaptureFixture[str]) -> None:
    """After a wrong checksum the folder is marked, and the model check names the command."""
    code = await main_fetch(parse("owner/broken", "--source", "modelscope", "--mirror", modelscope))
    assert code == 1
    assert "checksum is wrong" in capsys.readouterr().err
    assert marker("broken") == "owner/broken"


async def test_no_network_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a network the error names what to do, and a folder that was complete stays so."""
    write_model(Path("models/qwen3-4b"))
    code = await main_fetch(parse("qwen3-4b", "--mirror", "http://127.0.0.1:1"))
    assert code == 1
    assert "127.0.0.1:1 is not reachable" in capsys.readouterr().err
    assert marker("qwen3-4b") is None


@pytest.mark.parametrize("name", ["qwen", "a/b/c", "../x", "/x", "x/", "a/..", "a/b?c"])
async def test_unknown_names_list_the_known(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is neither a known name nor OWNER/NAME is refused with the known ones."""
    assert await main_fetch(parse(name)) == 1
    assert "Known: trial, qwen3-vl-4b" in capsys.readouterr().err


async def test_trial_model_is_found_offline(capsys: pytest.CaptureFixture[str]) -> None:
    """A trial model that is there is not fetched again."""
    write_model(Path("models/trial"))
    assert await main_fetch(parse("trial")) == 0
    assert "is there already" in capsys.readouterr().out


def test_progress_is_a_line_each_ten_percent() -> None:
    """Without a terminal, at most ten lines with percent, speed and time left are written."""
    now = [0.0]
    out = io.StringIO()
    line = ProgressLine(10 * 2**20, out, lambda: now[0])
    for _ in range(20):
        now[0] += 0.5
        line.add(2**19)
    line.finish()
    lines = out.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[4] == " 50 % of 10 MiB, 1.0 MiB/s, 0:00:05 left"


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_rewrites_one_line_on_a_terminal() -> None:
    """On a terminal one line is rewritten, at most five times a second, and ended at the end."""
    now = [0.0]
    out = Terminal()
    line = ProgressLine(100, out, lambda: now[0])
    for _ in range(100):
        now[0] += 0.01
        line.add(1)
    line.finish()
    assert out.getvalue().count("\r") in {5, 6}
    assert out.getvalue().count("\n") == 1
    assert "100 % of" in out.getvalue()
