"""Every goal of every bench: what a figure is to be, and what it says. Set before the code was written."""

from collections.abc import Mapping

from msgspec import Struct

from bench.report import Goal


class Aim(Struct, frozen=True):
    """A goal with its words."""

    part: str
    """A key of `PARTS`."""
    goal: Goal
    english: str
    chinese: str


PARTS: Mapping[str, tuple[str, str]] = {
    "G1": ("one chat, beside transformers' generate", "一个会话，对比 transformers 的 generate"),
    "G2": ("weights of 8 and 4 bits", "8 位、4 位权重"),
    "G3": ("eight chats at once", "八个会话同时"),
    "G4": ("interrupts", "打断"),
    "G5": ("what a recall takes", "一次回忆的开销"),
    "G6": ("messages, beside NoneBot2", "收发消息，对比 NoneBot2"),
    "G7": ("searching 100,000 memories", "在十万条记忆里查找"),
    "G8": ("saving one memory", "保存一条记忆"),
    "G9": ("cold start", "冷启动"),
    "G10": ("a 4B model on a card", "显卡上的 4B 模型"),
    "memory": ("the episodic memory", "情景记忆"),
    "taking part": ("taking part in groups", "群里参与"),
    "adapters": ("a merged adapter, beside one on a side path", "合并的适配器，对比旁路的适配器"),
    "training": ("a night's stages on a 24 GB card", "24 GB 显卡上训练一晚"),
    "input": ("what strangers send", "陌生人发来的东西"),
    "months": ("thirty days in compressed time", "压缩时间里的三十天"),
    "links": ("connections that come and go at random", "连接随机断开重连"),
    "crash": ("killed at random points", "随机时刻被强行终止"),
    "load": ("everybody at once, beside NoneBot2", "所有人同时发消息，对比 NoneBot2"),
    "privacy": ("what one chat may see of another", "会话之间互不可见"),
}
"""The goals of the design, G1 to G10, and what else has some."""

AIMS: Mapping[str, Mapping[str, Aim]] = {
    "crash": {
        "kills": Aim("crash", (">=", 200), "kills at random points", "随机时刻 kill -9 的次数"),
        "slowest_start": Aim("crash", ("<=", 10), "slowest start after one, seconds", "之后最慢的一次启动，秒"),
        "lost": Aim("crash", ("<=", 0), "messages and facts lost", "丢失的消息、记忆"),
        "doubled": Aim(
            "crash", ("<=", 0), "replies sent twice, messages and facts recorded twice", "重复的回复、记录、记忆"
        ),
        "damaged": Aim("crash", ("<=", 0), "files damaged, starts that failed", "损坏的文件、失败的启动"),
        "index": Aim("crash", ("<=", 0), "times that index and rows differed", "索引与数据库不一致的次数"),
    },
    "load": {
        "unanswered_echo": Aim("load", ("<=", 0), "5,000 messages at once, without an answer", "五千条同时来，没回的"),
        "rate_ratio": Aim(
            "load", (">=", 8), "messages answered a second, to NoneBot2's", "每秒回答数，是 NoneBot2 的几倍"
        ),
        "evenness_echo": Aim(
            "load",
            (">=", 0.9),
            "evenness over 200 groups (Jain; 1: all alike)",
            "200 个群的均匀程度（Jain，1 为完全一样）",
        ),
        "slowest_group_echo": Aim(
            "load", ("<=", 1.5), "slowest group's wait to the median's", "最慢的群等的时间，是中位数的几倍"
        ),
        "growth_mib_echo": Aim("load", ("<=", 100), "memory that the burst takes, MiB", "这批消息占的内存，MiB"),
        "lag_p99_ms_echo": Aim(
            "load", ("<=", 50), "event loop late, slowest percent, ms", "事件循环的延迟，最慢 1%，毫秒"
        ),
        "handshake_ms_echo": Aim("load", ("<=", 2000), "slowest handshake meanwhile, ms", "期间最慢的握手，毫秒"),
        "unanswered_trial": Aim(
            "load", ("<=", 0), "trial model, 200 groups: without an answer", "试用模型，200 个群，没回的"
        ),
        "lag_p99_ms_trial": Aim(
            "load",
            ("<=", 50),
            "event loop late while the model writes, slowest percent, ms",
            "模型生成时事件循环的延迟，最慢 1%，毫秒",
        ),
        "handshake_ms_trial": Aim(
            "load", ("<=", 2000), "slowest handshake while the model writes, ms", "模型生成时最慢的握手，毫秒"
        ),
    },
    "fuzz": {
        "cases": Aim("input", (">=", 1_000_000), "cases of fuzzing", "模糊测试的用例数"),
        "crashes": Aim("input", ("<=", 0), "crashes, hangs and wrong results", "崩溃、卡死和错误结果"),
        "slowest": Aim("input", ("<=", 1), "slowest case, seconds on the processor", "最慢的用例，处理器秒数"),
        "grown_late": Aim(
            "input", ("<=", 64), "MiB more in the second half of a target's cases", "后一半用例里多占的内存，MiB"
        ),
    },
    "months": {
        "days": Aim("months", (">=", 30), "days", "天数"),
        "rss_growth": Aim("months", ("<=", 0.05), "growth of the memory after the first day", "第一天之后内存的增长"),
        "threads_more": Aim("months", ("<=", 0), "threads more than on the first day", "比第一天多出的线程"),
        "descriptors_more": Aim("months", ("<=", 0), "descriptors more than on the first day", "比第一天多出的描述符"),
        "tasks_more": Aim("months", ("<=", 0), "tasks more than on the first day", "比第一天多出的任务"),
        "wal_mib": Aim("months", ("<=", 32), "MiB of the write-ahead log at most", "预写日志最大 MiB"),
        "logs_mib": Aim("months", ("<=", 0.4), "MiB of the log, in files of 64 KiB", "日志最大 MiB，每份 64 KiB"),
        "turns_mib": Aim("months", ("<=", 2), "MiB of the turn log, three days kept", "回合日志最大 MiB，留三天"),
        "pictures_mib": Aim("months", ("<=", 1), "MiB of pictures at most, 1 MiB allowed", "图片最大 MiB，上限 1 MiB"),
        "runs_mib": Aim("months", ("<=", 1), "MiB of the nights' folders at most", "学习文件夹最大 MiB"),
        "adapters_mib": Aim(
            "months", ("<=", 4), "MiB of versions, three of 1 MiB kept", "版本的 MiB，留三个，各 1 MiB"
        ),
        "nights_failed": Aim("months", ("<=", 0), "nights that failed", "失败的学习"),
        "night_late": Aim("months", ("<=", 2), "minutes that a night began late", "学习晚开始的分钟数"),
        "backup_late": Aim("months", ("<=", 2), "minutes that a backup was late", "备份晚开始的分钟数"),
        "beats_lost": Aim("months", ("<=", 0.01), "share of heartbeats missing", "缺少的心跳比例"),
        "database_bend": Aim(
            "months", ("<=", 1.15), "bytes a message takes late, to early", "后半段每条消息的字节数，与前半段之比"
        ),
    },
    "links": {
        "programs": Aim("links", (">=", 1000), "random programs played", "随机程序的个数"),
        "lost": Aim("links", ("<=", 0), "messages that are not on record", "没有记录下来的消息"),
        "doubled": Aim("links", ("<=", 0), "messages sent twice", "发了两次的消息"),
        "unsettled": Aim("links", ("<=", 0), "calls without an answer or a reason", "既没回答也没原因的呼叫"),
        "wrong": Aim("links", ("<=", 0), "actions without their own outcome", "没有得到自己结果的动作"),
        "leaked": Aim("links", ("<=", 0), "tasks, futures, descriptors left", "遗留的任务、future、描述符"),
        "refused": Aim("links", ("<=", 0), "connections refused", "被拒绝的连接"),
    },
    "privacy": {
        "worlds": Aim("privacy", (">=", 1000), "random worlds played", "随机世界的个数"),
        "leaks": Aim("privacy", ("<=", 0), "what a chat saw that it may not see", "会话看到了不该看到的内容"),
        "unasked": Aim("privacy", ("<=", 0), "answers that nobody asked for", "没人要的回答"),
        "failed": Aim("privacy", ("<=", 0), "worlds not played to their end", "没能演完的世界"),
    },
    "message_path": {
        "rate_ratio_routing": Aim(
            "G6",
            (">=", 20),
            "messages a second, nothing stored, to NoneBot2's",
            "每秒消息数，不存历史，是 NoneBot2 的几倍",
        ),
        "p99_ratio_routing": Aim(
            "G6",
            (">=", 5),
            "NoneBot2's slowest percent to ours, nothing stored",
            "最慢 1% 的延迟，NoneBot2 是我们的几倍",
        ),
        "rate_ratio_history": Aim(
            "G6",
            (">=", 8),
            "messages a second, history committed, to NoneBot2's",
            "每秒消息数，历史先落盘，是 NoneBot2 的几倍",
        ),
        "p99_ratio_history": Aim(
            "G6", (">=", 2), "NoneBot2's slowest percent to ours, history committed", "同上，历史先落盘"
        ),
    },
    "engine": {
        "one_chat_ratio": Aim(
            "G1", (">=", 0.97), "one chat, tokens a second to generate's", "一个会话，每秒词元数与 generate 之比"
        ),
        "chats_serial_ratio": Aim(
            "G3", (">=", 6.5), "eight chats to generate one after the other", "八个会话，与 generate 逐个跑之比"
        ),
        "chats_static_ratio": Aim(
            "G3", (">=", 0.95), "eight chats to generate's static batch", "八个会话，与 generate 静态批次之比"
        ),
        "interrupt_p99_steps": Aim(
            "G4", ("<=", 1.1), "steps until an interrupt is obeyed, slowest percent", "打断生效要几步，最慢 1%"
        ),
        "interrupt_prefill_p99_steps": Aim(
            "G4", ("<=", 1.1), "the same while a long prompt is read", "同上，正在读长提示词时"
        ),
        "recall_share": Aim(
            "G5",
            ("<=", 0.1),
            "a recall among 10,000 memories, as a share of a step",
            "一万条记忆里回忆一次，占一步的几分之几",
        ),
    },
    "adapter": {
        "side_ratio_1": Aim(
            "adapters", (">=", 1), "one chat, times as fast as on a side path", "一个会话，比旁路快几倍"
        ),
        "side_ratio_8": Aim("adapters", (">=", 1), "the same for eight chats", "同上，八个会话"),
    },
    "vectors": {
        "search_ratio_100000": Aim(
            "G7", (">=", 3), "100,000 keys, times as fast as IndexFlatIP", "十万条，比 IndexFlatIP 快几倍"
        ),
        "agreement_100000": Aim("G7", (">=", 1), "share of searches that find the same", "结果相同的比例"),
        "save_ms_1000": Aim("G8", ("<=", 1), "milliseconds to save one among 1,000", "一千条里再存一条，毫秒"),
        "save_ms_100000": Aim("G8", ("<=", 1), "milliseconds to save one among 100,000", "十万条里再存一条，毫秒"),
    },
    "quality": {
        "perplexity_int8": Aim("G2", ("<=", 1.03), "8 bits, perplexity to whole weights'", "8 位，困惑度与原权重之比"),
        "perplexity_int4": Aim("G2", ("<=", 1.03), "4 bits, perplexity to whole weights'", "4 位，困惑度与原权重之比"),
        "perplexity_int8_primed": Aim("G2", ("<=", 1.03), "8 bits, the primed model", "8 位，预训练过回忆的模型"),
        "perplexity_int4_primed": Aim("G2", ("<=", 1.03), "4 bits, the primed model", "4 位，预训练过回忆的模型"),
        "rate_ratio_int4": Aim(
            "G2", (">=", 3.5), "4 bits, tokens a second to generate's", "4 位，每秒词元数与 generate 之比"
        ),
        "int4_to_llama": Aim(
            "G2", (">=", 1.0), "4 bits, tokens a second to llama.cpp's", "4 位，每秒词元数与 llama.cpp 之比"
        ),
    },
    "startup": {
        "start_ratio": Aim(
            "G9", ("<=", 1.15), "time to the first token, to a bare script's", "到第一个词元的时间，与裸脚本之比"
        ),
        "listens_after": Aim("G9", ("<=", 0.5), "seconds until the socket answers", "几秒后端口可连"),
        "slowest_pong": Aim(
            "G9", ("<=", 0.5), "slowest answer of the socket while loading, seconds", "加载期间最慢的应答，秒"
        ),
    },
    "participation": {
        "asked_settled": Aim(
            "taking part",
            (">=", 1.0),
            "share of @ and quotes answered, or not for a known reason",
            "@ 和引用有着落的比例",
        ),
        "uncalled_answers_as_shipped": Aim(
            "taking part", ("<=", 0), "uncalled answers, as shipped", "出厂设置下主动插话的次数"
        ),
        "joined_talk_0.2": Aim(
            "taking part",
            ("<=", 0.05),
            "uncalled answers a message, talk_value 0.2",
            "每条消息的插话数，talk_value 0.2",
        ),
        "joined_talk_1": Aim(
            "taking part", ("<=", 0.1), "uncalled answers a message, talk_value 1", "每条消息的插话数，talk_value 1"
        ),
        "uncalled_an_hour_talk_1": Aim(
            "taking part", ("<=", 30), "uncalled answers in the busiest hour", "最忙的一小时里插话的次数"
        ),
        "spoken_observe": Aim("taking part", ("<=", 0), "messages sent in mode observe", "observe 模式发出的消息数"),
        "spoken_shadow": Aim("taking part", ("<=", 0), "messages sent in mode shadow", "shadow 模式发出的消息数"),
        "exchanges_a_minute": Aim(
            "taking part", ("<=", 10), "answers to one person within a minute, the most", "一分钟内回同一个人最多几次"
        ),
    },
    "gpu": {
        "one_chat_ratio": Aim(
            "G10", (">=", 3.0), "one chat, tokens a second to eager generate's", "一个会话，每秒词元数与 generate 之比"
        ),
        "ms_a_token": Aim("G10", ("<=", 3.1), "milliseconds a token on an H200", "H200 上每词元毫秒数"),
        "chats_ratio": Aim("G10", (">=", 6.0), "eight chats to one", "八个会话与一个会话之比"),
        "recall_keeps_graphs": Aim(
            "G10", (">=", 1.0), "recalls keep the graphs (1: yes)", "回忆不打断 CUDA 图（1：是）"
        ),
        "first_token_ms": Aim(
            "G10", ("<=", 60.0), "first token of a prompt of 1,024, milliseconds", "1024 词元提示词的首词元，毫秒"
        ),
        "keys_agreement": Aim(
            "G10", (">=", 1.0), "memories found on the card as by the index", "显卡与索引找到的记忆一致的比例"
        ),
        "bf16_stage_1_gb": Aim("training", ("<=", 24.0), "bfloat16, learning to ask, GB", "bfloat16，学提问，GB"),
        "bf16_stage_2_gb": Aim("training", ("<=", 24.0), "bfloat16, learning to read, GB", "bfloat16，学读出，GB"),
        "4bit_stage_1_gb": Aim("training", ("<=", 24.0), "4 bits, learning to ask, GB", "4 位，学提问，GB"),
        "4bit_stage_2_gb": Aim("training", ("<=", 24.0), "4 bits, learning to read, GB", "4 位，学读出，GB"),
    },
    "memory": {
        "confusable_64_hit1": Aim("memory", (">=", 0.95), "64 confusable facts, hit@1", "64 条易混的事实，hit@1"),
        "confusable_64_hit10": Aim("memory", (">=", 0.99), "the same, hit@10", "同上，hit@10"),
        "trained_256_hit1": Aim("memory", (">=", 0.93), "256 facts trained on, hit@1", "训练过的 256 条，hit@1"),
        "new_64_hit1": Aim("memory", (">=", 0.92), "facts never trained on, among 64", "没训练过的，64 条里"),
        "new_320_hit1": Aim("memory", (">=", 0.85), "the same, among 320", "同上，320 条里"),
        "new_2000_hit1": Aim("memory", (">=", 0.75), "the same, among 2,000", "同上，2000 条里"),
        "exact_trained_or_refined": Aim("memory", (">=", 0.95), "memories read back word for word", "逐字读出的比例"),
        "f1_projected": Aim(
            "memory",
            (">=", 0.6),
            "never trained on, character F1 of what is read back",
            "没训练过的，读出内容的字符 F1",
        ),
        "answers_behind_text_points": Aim(
            "memory", ("<=", 3), "points behind the text itself, right answers", "答对率比直接给文字低几个百分点"
        ),
        "false_recalls_percent": Aim("memory", ("<=", 1), "recalls in ordinary turns, %", "普通对话里误回忆，%"),
        "chat_loss_1_night_percent": Aim(
            "memory", ("<=", 1), "loss on other chat after a night, %", "一晚之后，其他对话的损失变化，%"
        ),
        "chat_loss_10_nights_percent": Aim("memory", ("<=", 1), "the same after ten nights", "同上，十晚之后"),
        "day_1_exact_after_10_nights": Aim(
            "memory",
            (">=", 0.97),
            "the first day's memories still exact after ten nights",
            "第一天的记忆十晚后仍逐字不差",
        ),
        "leaks_in_10000_queries": Aim(
            "memory", ("<=", 0), "leaks across chats in 10,000 queries", "一万次查询里的跨会话泄露"
        ),
        "quick_minutes": Aim("memory", ("<=", 10), "a quick run, minutes", "快速测一遍，分钟"),
        "full_minutes": Aim("memory", ("<=", 120), "a full run, minutes", "完整测一遍，分钟"),
    },
}
"""By bench and figure. Of p99 the ratio is the peer's to ours. `joined`: uncalled answers a message seen. Memory's are
for the trial model, English worlds and 2 cores; the mean over the seeds counts."""


def goals_of(bench: str) -> dict[str, Goal]:
    """What the figures of a bench are to be."""
    return {figure: aim.goal for figure, aim in AIMS[bench].items()}
