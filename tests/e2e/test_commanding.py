"""What the owner can do from QQ, and by saving config.toml."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.bot_process import OWNER, Bot, NapCat

pytestmark = pytest.mark.model

USER, OTHER, GROUP, OTHER_GROUP = 20001, 20002, 30001, 30002


@pytest.fixture(scope="module")
def bot(trial_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """One of this module's own, in float32: what it writes does not hang on how much of a prompt is still cached.

    In bfloat16 the rounding of a product depends on how many positions it takes at once.
    """
    running = Bot(tmp_path_factory.mktemp("bot") / "commanded", trial_folder)
    running.write({"model.dtype": "float32"})
    running.start()
    yield running
    running.kill()


@pytest.fixture(autouse=True)
def config(bot: Bot) -> Iterator[str]:
    """The text of config.toml, which is restored afterwards."""
    text = bot.config.read_text(encoding="utf-8")
    yield text
    bot.save(text)


@pytest.fixture
async def ready(napcat: NapCat) -> NapCat:
    """NapCat once the model is loaded and memories can be made."""
    await napcat.until("/memory search cats", "这里还没有记忆")
    return napcat


async def test_status(ready: NapCat) -> None:
    """The status names the model, the connections and what is on record."""
    shown = await ready.command("/status")
    for words in ("模型：trial（就绪）", "设备：cpu", f"{ready.self_id}×1", "正在写 0"):
        assert words in shown


async def test_config_set(ready: NapCat, bot: Bot, config: str) -> None:
    """A key set from QQ is in the file, every comment beside it untouched, and counts for the next answer."""
    await ready.configure({"generation.max_new_tokens": 90, "chat.max_bubbles": 4})
    changed = config.replace("max_bubbles = 1", "max_bubbles = 4").replace("tokens = 24", "tokens = 90")
    assert changed == bot.config.read_text(encoding="utf-8")
    await ready.ask(USER, "Tell me a long story about a dog.")
    await ready.settled()
    assert len(ready.outgoing[USER]) > 1
    await ready.configure({"generation.max_new_tokens": 24, "chat.max_bubbles": 1})
    assert config == bot.config.read_text(encoding="utf-8")
    await ready.ask(OTHER, "Tell me a long story about a dog.")
    await ready.settled()
    assert len(ready.outgoing[OTHER]) == 1


async def test_config_refused(ready: NapCat, bot: Bot, config: str) -> None:
    """Nobody but the owner sets keys, and no key takes a value out of its range."""
    assert "主人" in await ready.ask(USER, "/config set chat.max_bubbles 2")
    assert "chat.max_bubbles" in await ready.command("/config set chat.max_bubbles 99")
    assert config == bot.config.read_text(encoding="utf-8")


async def test_config_broken(ready: NapCat, bot: Bot, config: str) -> None:
    """A broken file changes nothing, and the owner is told the key; a mended one is applied."""
    bot.save(config.replace("max_bubbles = 1", "max_bubles = 2"))
    told = (await ready.answer(OWNER)).text
    assert "chat.max_bubles" in told
    assert "max_bubbles`?" in told
    assert "chat.max_bubbles = 1" in await ready.command("/config get chat.max_bubbles")
    bot.save(config.replace("max_bubbles = 1", "max_bubbles = 2"))
    await ready.until("/config get chat.max_bubbles", "chat.max_bubbles = 2")


async def test_memory(ready: NapCat) -> None:
    """A memory is added, listed, found by the model's own keys and forgotten."""
    added = await ready.command("/memory add 小明的猫叫豆豆")
    number = added.partition("#")[2].partition("）")[0]
    assert f"记住了（#{number}）：小明的猫叫豆豆" == added
    await ready.command("/memory add The train to Berlin leaves at nine")
    assert f"#{number} 小明的猫叫豆豆" in await ready.command("/memory list")
    found = await ready.command("/memory search 小明的猫叫豆豆")
    assert f"#{number} [1.00] 小明的猫叫豆豆" == found.splitlines()[0]
    assert f"已忘记 #{number}。" == await ready.command(f"/memory forget {number} -y")
    assert "豆豆" not in await ready.command("/memory list")
    assert "豆豆" not in await ready.command("/memory search 小明的猫叫豆豆")


async def test_memory_of_another_chat(ready: NapCat) -> None:
    """What is remembered in one group is neither listed, found nor forgotten in another."""
    added = await ready.ask_group(GROUP, OWNER, "/memory add 小明的猫叫豆豆")
    number = added.partition("#")[2].partition("）")[0]
    assert "豆豆" in await ready.ask_group(GROUP, OWNER, "/memory list")
    for command in ("list", "search 小明的猫叫豆豆"):
        assert await ready.ask_group(OTHER_GROUP, OWNER, f"/memory {command}") == "这里还没有记忆。"
    assert "没有记忆" in await ready.ask_group(OTHER_GROUP, OWNER, f"/memory forget {number} -y")
    assert "豆豆" in await ready.ask_group(GROUP, OWNER, "/memory list")


@pytest.mark.parametrize(("floor", "expected"), [(-1.0, "想起了 #"), (1.0, "没有想起什么")])
async def test_why(ready: NapCat, floor: float, expected: str) -> None:
    """With `memory.recall = "always"` an answer recalls first: /why says what, or that nothing came to mind."""
    await ready.command("/memory add 小明的猫叫豆豆")
    await ready.configure({"memory.recall": "always", "memory.floor": floor})
    answer = await ready.command("小明的猫叫什么？")
    why = await ready.command("/why")
    await ready.configure({"memory.recall": "auto", "memory.floor": 0.3})
    assert expected in why
    assert "<" not in answer


async def test_reset(ready: NapCat) -> None:
    """After /reset the model writes what it writes in an empty chat; what was said stays on record."""
    fresh = await ready.ask(USER, "Hello, how are you?", "Tom")
    await ready.ask(OWNER, "My name is Tom and I live on the moon.", "Tom")
    await ready.settled()
    before = len(ready.record(OWNER))
    assert await ready.command("/reset") == "好，我们重新开始。"
    assert fresh == await ready.ask(OWNER, "Hello, how are you?", "Tom")
    await ready.settled()
    assert before + 2 == len(ready.record(OWNER))


async def test_undo(ready: NapCat) -> None:
    """After /undo the model writes what it would have written without the last exchange."""
    await ready.ask(USER, "I have a dog.", "Tom")
    expected = await ready.ask(USER, "Hello, how are you?", "Tom")
    await ready.ask(OWNER, "I have a dog.", "Tom")
    await ready.ask(OWNER, "My name is Tom and I live on the moon.", "Tom")
    await ready.settled()
    assert await ready.command("/undo") == "已撤回最近 1 轮对话。"
    assert expected == await ready.ask(OWNER, "Hello, how are you?", "Tom")
