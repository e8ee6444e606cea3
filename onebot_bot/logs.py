"""structlog set-up: lines in the look QQ-bot users know, written off the event loop.

`MM-DD HH:MM:SS [INFO] module | text key=value`, on the console and in a rotating file. Loggers bind the chat and the
request with `structlog.contextvars`.
"""

import asyncio
import logging
import logging.handlers
import queue
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from structlog.typing import EventDict, WrappedLogger

from onebot_bot.errors import BotError, id_of, with_id
from onebot_bot.logfile import Forgetting, LogFile

STAMP = "%m-%d %H:%M:%S"
JOINER = "\u200d"
"""Between the parts of an emoji; it has no look of its own."""


@contextmanager
def logging_to(level: str, file: Path | None) -> Iterator[None]:
    """Send every log line to standard error and to `file` (rotated at 10 MiB, five kept) until the block ends.

    A listener thread does the writing, so a slow disk or terminal never holds the event loop.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].addFilter(lambda record: not isinstance(record, Forgetting))
    if file is not None:
        handlers.append(LogFile(file))
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    for handler in handlers:
        handler.setFormatter(_formatter())
    listener = logging.handlers.QueueListener(records, *handlers)
    root = logging.getLogger()
    root.handlers = [_Passing(records, has_file=file is not None)]
    set_level(level)
    _configure()
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        root.handlers = []
        structlog.reset_defaults()
        for handler in handlers:
            handler.close()


def set_level(level: str) -> None:
    """Write lines of `level` and above from now on."""
    logging.getLogger().setLevel(level.upper())
    # Libraries speak only when something is wrong: their info lines mean nothing to an operator.
    for library in ("websockets", "aiohttp", "apscheduler", "asyncio", "faiss", "filelock", "urllib3", "httpx"):
        logging.getLogger(library).setLevel("WARNING")


async def forget(number: int) -> None:
    """Take the lines about a QQ number out of the log file and the old ones that are kept; none of no file.

    Raises:
        StoreError: a file cannot be written; the text names it.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Passing) and handler.has_file:
            record = Forgetting(number)
            handler.enqueue(record)
            await asyncio.wrap_future(record.done)


class _Passing(logging.handlers.QueueHandler):
    """Hands the record on as it is: the formatter runs in the listener, and nothing leaves this process."""

    def __init__(self, records: "queue.SimpleQueue[logging.LogRecord]", *, has_file: bool) -> None:
        super().__init__(records)
        self.has_file = has_file

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


def _configure() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            # What is bound and what was raised belong to the calling thread; the rest is the listener's work.
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt=STAMP, utc=False),
            _name_failure,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,  # else every line builds its logger anew
    )


def _formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt=STAMP, utc=False),
            _name_failure,
            structlog.processors.format_exc_info,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
    )


def _name_failure(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Every line of an error has the id of a failure: of the error itself, or what the line says."""
    if event["level"] in ("error", "critical"):
        error, told = _raised(event.get("exc_info")), event.get("code", BotError.code)
        event["code"] = id_of(error, told) if error else told
    return event


def _raised(exc_info: object) -> BaseException | None:
    """The error that a line tells of, in whichever of the ways of `logging` it was given."""
    if exc_info is True:
        exc_info = sys.exc_info()
    parts = exc_info if isinstance(exc_info, tuple) else (exc_info,)
    return next((part for part in parts if isinstance(part, BaseException)), None)


def _render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line: time, level, module, text, then what was bound; a traceback follows on its own lines."""
    stamp, level, text = event.pop("timestamp"), event.pop("level"), event.pop("event")
    module = event.pop("logger", "").removeprefix("onebot_bot.")
    trace, code = event.pop("exception", None), event.pop("code", "")
    extras = "".join(f" {key}={value}" for key, value in event.items())
    line = with_id(f"{stamp} [{level.upper()}] {module} | {_on_one_line(f'{text}{extras}')}", code)
    return f"{line}\n{trace}" if trace else line


def _on_one_line(text: str) -> str:
    """The text without what could pass for another line or command a terminal: people in chats write some of it."""
    return text if text.isprintable() else "".join(map(_harmless, text))


def _harmless(character: str) -> str:
    # Spaces of other widths are not "printable" but usual in Chinese texts.
    if character.isprintable() or character == JOINER or unicodedata.category(character) == "Zs":
        return character
    return "⏎" if character == "\n" else "\ufffd"
