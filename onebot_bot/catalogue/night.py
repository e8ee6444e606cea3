"""The night and its report."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "rest.busy": (
        "我在整理今天的记忆，醒来再回你～",
        "I am sorting today's memories; I will answer when I wake up.",
    ),
    "night.head": ("🌙 昨晚的学习：{outcome}", "🌙 Last night's learning: {outcome}"),
    "night.because": ("{outcome}：{reason}", "{outcome}: {reason}"),
    "night.done": ("学完了，新版本已经换上", "done, the new version serves"),
    "night.failed": ("没有学成，继续用原来的版本", "it failed, the version before still serves"),
    "night.refused": ("新版本没有通过，继续用原来的", "the new version did not pass, the one before still serves"),
    "night.cancelled": ("被叫停了，继续用原来的版本", "it was cancelled, the version before still serves"),
    "night.empty": ("没有要学的", "there was nothing to learn"),
    "night.no_memories": ("还没有记忆", "there are no memories yet"),
    "night.no_disk": (
        "磁盘空间不够：需要约 {needed}，{folder} 只剩 {free}。请腾出空间，或调小 learning.keep_versions。",
        "not enough disk space: about {needed} needed, {free} free at {folder}. Free some, or lower "
        "learning.keep_versions.",
    ),
    "night.no_memory": (
        "显存或内存不够：需要约 {needed}，只剩 {free}。请关掉占用它的程序，或换用更小的模型。",
        "not enough device memory: about {needed} needed, {free} free. End what else uses it, or use a smaller model.",
    ),
    "night.disk_full": ("磁盘写满了（{file}），请腾出空间。", "the disk is full ({file}); free some space."),
    "night.not_restored": (
        "原来的版本换不回来（{error}），请重启机器人。起因：{first}",
        "the version before could not be put back ({error}): restart the bot. It began with: {first}",
    ),
    "night.learned": (
        "新记住 {added} 条，合并 {merged} 条，更新 {superseded} 条；现在共 {memories} 条。",
        "{added} new memories, {merged} merged, {superseded} updated; {memories} in all.",
    ),
    "night.example": ("· {text}", "· {text}"),
    "night.dropped": ("没有采用 {count} 条：{reasons}", "{count} dropped: {reasons}"),
    "night.figures": ("考试（之前 → 之后）：", "Exam (before → after):"),
    "night.time": ("用时 {time}。", "It took {time}."),
    "night.minutes": ("{minutes} 分钟", "{minutes} min"),
    "night.hours": ("{hours} 小时 {minutes} 分钟", "{hours} h {minutes} min"),
    "night.serving": ("正在使用：{adapter}", "Serving: {adapter}"),
    "night.bare": ("出厂版本", "the model as it came"),
}
