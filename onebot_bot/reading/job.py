"""The whole work of the process that reads: a job on the standard input, words or the reason for none on the output."""

import sys

import msgspec

from onebot_bot.confine import confine
from onebot_bot.errors import MediaError, ReadingError
from onebot_bot.reading.extract import Extract, Failure, Job


def work() -> int:
    """Read the job on the standard input; returns the process's exit status."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    confine(job.memory)
    sys.stdout.buffer.write(msgspec.msgpack.encode(attempt(job)))
    return 0


def attempt(job: Job) -> Extract | Failure:
    """The words of a file, or why there are none."""
    try:
        return _read(job)
    except ReadingError as error:
        return Failure(error.reason, str(error))
    except MemoryError:
        return Failure("large", "reading it takes more than reading.memory_mib")
    except ImportError as error:
        return Failure("missing", str(error))
    except MediaError as error:
        return Failure("broken", str(error))
    except Exception as error:  # noqa: BLE001 - parsers raise whatever a damaged file makes them raise
        return Failure("broken", f"{type(error).__name__}: {error}"[:500])


def _read(job: Job) -> Extract:
    # Imported here: each library is loaded only for a file that needs it.
    match job.kind:
        case "pdf":
            from onebot_bot.reading.pdf import read_pdf  # noqa: PLC0415

            return read_pdf(job.data, job.limits)
        case "docx":
            from onebot_bot.reading.docx import read_docx  # noqa: PLC0415

            return read_docx(job.data, job.limits)
        case "page":
            from onebot_bot.reading.page import read_page  # noqa: PLC0415

            return read_page(job.data, job.limits, job.charset)
        case "picture":
            from onebot_bot.reading.ocr import read_picture  # noqa: PLC0415

            return read_picture(job.data, job.limits)
        case "text":
            from onebot_bot.reading.plain import read_plain  # noqa: PLC0415

            return read_plain(job.data, job.limits, job.charset)
