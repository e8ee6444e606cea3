"""[reading]: documents, links and the words in pictures, read for the model."""

from typing import Annotated

from msgspec import Meta, field

from onebot_bot.sections.base import Section


class ReadingConfig(Section, frozen=True, kw_only=True):
    """[reading]: what is read of files, links and pictures, and how much of it."""

    documents: Annotated[
        bool, Meta(description="Read files that are sent: pdf, docx, txt, md, csv and other plain text.")
    ] = True
    links: Annotated[
        bool,
        Meta(
            description="Open web links in messages, never into private networks. Whoever sends a link to a server of "
            "their own learns the bot's address."
        ),
    ] = True
    ocr: Annotated[
        bool,
        Meta(description="Read the words in pictures for a model that does not see; takes RapidOCR (the extra `ocr`)."),
    ] = True
    max_texts: Annotated[
        int, Meta(ge=1, le=16, description="Most files, links and pictures read for one answer, the newest.")
    ] = 4
    max_mib: Annotated[float, Meta(gt=0, le=64, description="Largest file, page or picture fetched, MiB.")] = 10.0
    max_pages: Annotated[int, Meta(ge=1, le=500, description="Most pages read of a PDF.")] = 30
    max_characters: Annotated[
        int,
        Meta(ge=200, le=50000, description="Most characters of one text; the rest is left out, and the model told."),
    ] = 4000
    prompt_characters: Annotated[
        int,
        Meta(
            ge=200,
            le=100000,
            description="Most characters of all texts shown at once, the newest first; never more than half of what "
            "the model's window has tokens.",
        ),
    ] = 6000
    wait: Annotated[
        float, Meta(ge=0, le=60, description="Longest an answer waits for texts, seconds; what comes later is kept.")
    ] = 8.0
    timeout: Annotated[
        float, Meta(gt=0, le=120, description="Longest for fetching one text, and again for reading it, seconds.")
    ] = 30.0
    memory_mib: Annotated[
        int,
        Meta(
            ge=256, le=16384, description="Most memory of the process that reads a file, MiB; not bounded on Windows."
        ),
    ] = 2048
    redirects: Annotated[int, Meta(ge=0, le=10, description="Most redirects of a link.")] = 5
    allowed_hosts: Annotated[
        list[str], Meta(description='Links are opened on these hosts alone, such as "bilibili.com". Empty: on all.')
    ] = field(default_factory=list)
    denied_hosts: Annotated[list[str], Meta(description="Links to these hosts, and what is below them, stay shut.")] = (
        field(default_factory=list)
    )
    kept: Annotated[
        int, Meta(ge=10, le=100000, description="Most texts kept in the database; the oldest make way.")
    ] = 2000
