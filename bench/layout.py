"""Which of a bench's figures docs/performance.md shows, in which tables, and what is drawn of them."""

from collections.abc import Mapping, Sequence

from bench.grids import Column, Grid, Row, rows_of

_RATE = Column("tokens/s", "{:,.1f}")
_OURS = "this bot"


def _engine_grid(threads: str) -> Grid:
    names = {
        "ours, 1 chat": f"{_OURS}, 1 chat",
        "generate, 1 chat": "transformers generate, 1 chat",
        "llama.cpp": "llama.cpp, 1 chat, 4 bits (Q4_1)",
        "ours, 8 chats": f"{_OURS}, 8 chats",
        "generate, static batch of 8": "transformers generate, static batch of 8",
        "generate, 8 in a row": "transformers generate, 8 one after the other",
        "transformers' continuous batching": "transformers continuous batching, 8 chats",
    }
    return Grid(
        title=f"Tokens a second, {threads}",
        columns=(_RATE,),
        rows=rows_of(names, "tokens_per_second {}"),
        drawn=1,
        unit="tokens a second",
    )


_MESSAGE_PATH = (
    Grid(
        title="Messages",
        columns=(
            Column("p50 us", "{:,.0f}"),
            Column("p99 us", "{:,.0f}"),
            Column("messages/s", "{:,.0f}"),
            Column("CPU us a message", "{:,.0f}"),
            Column("rate to NoneBot2", "{:.1f}x"),
            Column("NoneBot2's p99 to it", "{:.1f}x"),
        ),
        rows=rows_of(
            {
                "routing": f"{_OURS}, nothing stored",
                "history": f"{_OURS}, history committed before the answer",
                "nonebot": "NoneBot2 + adapter, nothing stored",
            },
            "p50_{}", "p99_{}", "rate_{}", "busy_{}", "rate_ratio_{}", "p99_ratio_{}",
        ),
        drawn=2,
        unit="microseconds from a message to its answer",
    ),
)  # fmt: skip

_VECTORS = (
    Grid(
        title="Searching keys of 2,560 numbers",
        columns=(
            Column(f"{_OURS}, CPU ms", "{:.2f}"),
            Column("IndexFlatIP, CPU ms", "{:.2f}"),
            Column("ratio", "{:.1f}x"),
            Column("same found", "{:.0%}"),
        ),
        rows=(
            rows_of(
                {"1000": "1,000", "10000": "10,000", "100000": "100,000", "220000": "220,000"},
                "search_ms_{}", "flat_ms_{}", "search_ratio_{}", "agreement_{}",
            )
        ),
        drawn=2,
        unit="milliseconds of CPU",
        logarithmic=True,
    ),
    Grid(
        title="One memory more",
        columns=(Column("median, ms", "{:.3f}"), Column("p90, ms", "{:.3f}"), Column("worst, ms", "{:.3f}")),
        rows=(
            Row("into an index of 100,000", ("add_ms", "", "add_ms_worst")),
            Row("saved, among 1,000", ("save_ms_1000", "save_ms_p90_1000", "")),
            Row("saved, among 100,000", ("save_ms_100000", "save_ms_p90_100000", "")),
            Row("the disk alone", ("disk_ms", "", "")),
        ),
    ),
)  # fmt: skip

_ADAPTER = (
    Grid(
        title="A step with an adapter",
        columns=(
            Column("1 chat, ms", "{:.2f}"),
            Column("8 chats, ms", "{:.2f}"),
            Column("to merged, 1 chat", "{:.2f}x"),
            Column("to merged, 8 chats", "{:.2f}x"),
            Column("swap, s", "{:.2f}"),
        ),
        rows=(
            Row("merged, as the bot serves", ("ms_merged_1", "ms_merged_8", "", "", "swap_merged")),
            Row("merged, weights not laid out", ("ms_plain_1", "ms_plain_8", "plain_ratio_1", "plain_ratio_8", "")),
            Row("on a side path", ("ms_side_1", "ms_side_8", "side_ratio_1", "side_ratio_8", "swap_side")),
            Row("no adapter", ("ms_bare_1", "ms_bare_8", "bare_ratio_1", "bare_ratio_8", "")),
        ),
        drawn=2,
        unit="milliseconds a step",
    ),
)

_QUALITY = (
    Grid(
        title="Weights in fewer bits",
        columns=(
            Column("tokens/s", "{:.1f}"),
            Column("to generate", "{:.2f}x"),
            Column("perplexity", "{:.2f}"),
            Column("to whole weights", "{:.4f}x"),
        ),
        rows=rows_of(
            {
                "generate": "transformers generate, bfloat16",
                "full": f"{_OURS}, bfloat16",
                "int8": f"{_OURS}, 8 bits",
                "int4": f"{_OURS}, 4 bits",
                "llama": "llama.cpp, 4 bits (Q4_1)",
                "full_primed": "primed, bfloat16",
                "int8_primed": "primed, 8 bits",
                "int4_primed": "primed, 4 bits",
            },
            "rate_{}", "rate_ratio_{}", "ppl_{}", "perplexity_{}",
        ),
        drawn=1,
        unit="tokens a second",
    ),
)  # fmt: skip

_STARTUP = (
    Grid(
        title="Starting",
        columns=(Column("seconds", "{:.2f}"),),
        rows=(
            Row("a bare script, to its first token", ("bare",)),
            Row(f"{_OURS}, to its first token", ("bot",)),
            Row(f"{_OURS}, until its socket answers", ("listens_after",)),
            Row("slowest answer of the socket meanwhile", ("slowest_pong",)),
        ),
        drawn=1,
        unit="seconds",
    ),
)

_PARTICIPATION = (
    Grid(
        title="Taking part, by setting",
        columns=(
            Column("uncalled answers a message seen", "{:.2%}"),
            Column("share of all messages", "{:.1%}"),
            Column("seen", "{:,.0f}"),
            Column("considered", "{:,.0f}"),
            Column("generations", "{:,.0f}"),
            Column("answered", "{:,.0f}"),
            Column("uncalled", "{:,.0f}"),
            Column("seconds of writing", "{:,.0f}"),
        ),
        rows=rows_of(
            {
                "as_shipped": "as shipped",
                "talk_0.05": "talk_value 0.05",
                "talk_0.2": "talk_value 0.2",
                "talk_1": "talk_value 1",
                "by_hours": "0.2 in the evening, quiet at night",
                "observe": "mode observe",
                "shadow_0.2": "mode shadow, talk_value 0.2",
            },
            "joined_{}", "share_{}", "seen_{}", "considered_{}", "generations_{}", "answered_{}", "uncalled_{}",
            "spent_{}",
        ),
    ),
)  # fmt: skip

_GPU = (
    Grid(
        title="Answers",
        columns=(_RATE,),
        rows=rows_of(
            {
                "ours, 1 chat": f"{_OURS}, 1 chat",
                "eager generate, 1 chat": "transformers generate, eager, 1 chat",
                "ours, 8 chats": f"{_OURS}, 8 chats",
            },
            "tokens_per_second {}",
        ),
        drawn=1,
        unit="tokens a second",
    ),
    Grid(
        title="A search among 100,000 memories",
        columns=(Column("ms", "{:.2f}"),),
        rows=rows_of({"card": "copy on the card", "cpu": "index on the CPU"}, "keys_ms_{}"),
    ),
    Grid(
        title="A night's stages",
        columns=(Column("GB of the card", "{:.1f}"), Column("steps/s", "{:.2f}")),
        rows=rows_of(
            {
                "bf16_stage_1": "bfloat16, learning to ask",
                "bf16_stage_2": "bfloat16, learning to read",
                "4bit_stage_1": "4 bits, learning to ask",
                "4bit_stage_2": "4 bits, learning to read",
            },
            "{}_gb", "{}_steps_per_second",
        ),
        drawn=1,
        unit="GB of the card's memory",
    ),
)  # fmt: skip

_LINKS = (
    Grid(
        title="What was played",
        columns=(Column("count", "{:,.0f}"),),
        rows=rows_of(
            {
                "programs": "programs",
                "connections": "connections made",
                "endings": "connections ended, well or not",
                "freezes": "clients that stopped reading",
                "messages": "messages to the bot",
                "answers": "answers that QQ got",
                "actions": "actions beside the answers",
                "broken_frames": "broken frames",
                "seconds": "seconds",
            },
            "{}",
        ),
    ),
)

_LOAD = (
    Grid(
        title="A burst",
        columns=(
            Column("messages/s", "{:,.0f}"),
            Column("p50 ms", "{:,.0f}"),
            Column("p99 ms", "{:,.0f}"),
            Column("loop late, p99 ms", "{:.1f}"),
            Column("without waiting for a core", "{:.1f}"),
            Column("worst ms", "{:.1f}"),
            Column("slowest handshake, ms", "{:,.0f}"),
            Column("memory, MiB", "{:.1f}"),
            Column("evenness", "{:.3f}"),
            Column("slowest group to median", "{:.2f}x"),
            Column("without an answer", "{:.0f}"),
        ),
        rows=(*rows_of(
            {
                "echo": f"{_OURS}, echo engine, history committed",
                "nonebot": "NoneBot2 + adapter, nothing stored",
            },
            "rate_{}", "p50_ms_{}", "p99_ms_{}", "lag_p99_ms_{}", "own_lag_p99_ms_{}",
            "lag_worst_ms_{}", "handshake_ms_{}", "growth_mib_{}",
            "evenness_{}", "slowest_group_{}", "unanswered_{}",
        ), *rows_of(
            {"trial": f"{_OURS}, trial model, a message in each of 200 groups"},
            "rate_{}", "p50_ms_{}", "p99_ms_{}", "lag_p99_ms_{}", "own_lag_p99_ms_{}",
            "lag_worst_ms_{}", "handshake_ms_{}", "growth_mib_{}",
            "", "", "unanswered_{}",
        )),
    ),
)  # fmt: skip

_FUZZED = {
    "decode_frames": "frames",
    "decode_histories": "events inside answers",
    "read_cq_codes": "CQ codes",
    "read_messages": "messages, cards and bundles, to the record",
    "read_names": "names",
    "read_words": "what people type, word lists, links",
    "read_cards": "cards",
    "send_answers": "what a model writes, with tags",
    "watch_answers": "the same as it is written",
    "take_memories": "memories taken from messages",
    "load_configs": "config.toml",
    "load_personas": "persona files",
    "read_exports": "chat exports",
    "read_texts": "text files",
    "read_pages": "web pages",
    "read_documents": "docx",
    "read_pdfs": "pdf",
    "see_pictures": "pictures",
    "see_videos": "videos",
    "write_markup": "Markdown and formulas",
    "draw_answers": "answers drawn as pictures",
    "send_large": "frames of up to 65 MiB over a socket",
    "the whole bot": "the whole bot, commands among the frames",
}
_FUZZ = (
    Grid(
        title="Cases of fuzzing",
        columns=(
            Column("cases", "{:,.0f}"),
            Column("crashes", "{:.0f}"),
            Column("slowest, s of CPU", "{:.3f}"),
            Column("us a case", "{:,.0f}"),
            Column("MiB more", "{:.0f}"),
        ),
        rows=rows_of(_FUZZED, "cases {}", "crashes {}", "slowest {}", "us {}", "grown {}"),
    ),
)

_PRIVACY = (
    Grid(
        title="What was played",
        columns=(Column("count", "{:,.0f}"),),
        rows=rows_of(
            {
                "worlds": "worlds",
                "deeds": "deeds of people, admins and the operator",
                "prompts": "prompts looked at",
                "recalled": "memories that came to mind",
            },
            "{}",
        ),
    ),
)

_MONTHS = (
    Grid(
        title="What was lived",
        columns=(Column("in all", "{:,.0f}"),),
        rows=rows_of(
            {
                "said": "messages and commands of people",
                "replies": "messages of the bot",
                "messages": "messages on record at the end",
                "memories": "memories at the end",
                "bytes_a_message": "bytes of the database for each message",
                "seconds": "seconds that it took",
            },
            "{}",
        ),
    ),
)

_CRASH = (
    Grid(
        title="What was killed, and when",
        columns=(Column("count", "{:,.0f}"),),
        rows=rows_of(
            {
                "kills_chat": "kills while people talk",
                "kills_backup": "kills while a backup is made",
                "kills_config": "kills while config.toml is written",
                "kills_restore": "kills while a backup is put back",
                "kills_extraction": "kills while memories are extracted",
                "kills_training": "kills in a night up to its gate",
                "kills_promotion": "kills in a night's promotion, swap and canary",
                "messages": "messages to the bot",
                "answers": "answers that QQ got",
                "facts": "facts told and remembered",
                "nights": "nights that came through all the same",
            },
            "{}",
        ),
    ),
    Grid(
        title="Starts afterwards",
        columns=(Column("seconds", "{:.1f}"),),
        rows=rows_of(
            {
                "median_start": "until it is connected, median",
                "slowest_start": "until it is connected, slowest",
                "start_cpu": "of the processor, median",
            },
            "{}",
        ),
    ),
)

GRIDS: Mapping[str, Sequence[Grid]] = {
    "message_path": _MESSAGE_PATH,
    "engine": (_engine_grid("one torch thread"),),
    "engine_2_threads": (_engine_grid("two torch threads"),),
    "quality": _QUALITY,
    "adapter": _ADAPTER,
    "vectors": _VECTORS,
    "memory": (),
    "startup": _STARTUP,
    "participation": _PARTICIPATION,
    "gpu": _GPU,
    "links": _LINKS,
    "load": _LOAD,
    "privacy": _PRIVACY,
    "fuzz": _FUZZ,
    "months": _MONTHS,
    "crash": _CRASH,
}
"""By section of the page. A file of that name holds its figures; those of memory come with their own tables."""
