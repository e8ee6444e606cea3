"""NoneBot2 with adapter-onebot, for message_path.py: one handler that says what it was told."""

import sys

import nonebot
from nonebot.adapters.onebot.v11 import Adapter, Bot, MessageEvent


async def echo(bot: Bot, event: MessageEvent) -> None:
    """Answer with the message itself."""
    await bot.send(event, event.get_message())


def main() -> None:
    """PORT: the FastAPI driver on uvicorn, which takes uvloop and httptools where they are installed."""
    nonebot.init(driver="~fastapi", host="127.0.0.1", port=int(sys.argv[1]), log_level="WARNING")
    nonebot.get_driver().register_adapter(Adapter)
    nonebot.on_message(handlers=[echo])
    nonebot.run()


if __name__ == "__main__":
    main()
