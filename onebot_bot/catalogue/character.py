"""Personas, emotions and moods."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "about.persona": ("看有哪些人设、换一个", "see which personas there are, and choose one"),
    "about.mood": ("看我现在的心情", "see what mood I am in"),
    "persona.usage": (
        "用法：{prefix}persona list | use 名字 [me] | show [名字] | reset [me]",
        "Usage: {prefix}persona list | use NAME [me] | show [NAME] | reset [me]",
    ),
    "persona.now": ("现在是{name}（{by}）。", "I am {name} now ({by})."),
    "persona.unnamed": ("没有名字的人设", "a persona without a name"),
    "persona.by.user": ("你自己选的", "your own choice"),
    "persona.by.private": ("这里选的", "chosen here"),
    "persona.by.group": ("本群选的", "this group's choice"),
    "persona.by.default": ("config.toml 里的默认", "the default of config.toml"),
    "persona.none": (
        "没有人设文件，放进 {folder} 就有了。",
        "There are no persona files; put some into {folder}.",
    ),
    "persona.head": (
        "有这些人设，用 {prefix}persona use 名字 来换：",
        "Personas, chosen with {prefix}persona use NAME:",
    ),
    "persona.line": ("{mark} {id}：{about}", "{mark} {id}: {about}"),
    "persona.unknown": (
        "没有“{name}”这个人设。{hint}",
        "There is no persona “{name}”. {hint}",
    ),
    "persona.near": ("是不是 {name}？", "Did you mean {name}?"),
    "persona.see_list": ("{prefix}persona list 查看全部。", "{prefix}persona list shows all."),
    "persona.used": ("好，从现在起我是{name}。", "All right, from now on I am {name}."),
    "persona.used_me": (
        "好，在这个群里，我对你就是{name}。",
        "All right, in this group I am {name} to you.",
    ),
    "persona.reset": ("好，我变回{name}。", "All right, I am {name} again."),
    "persona.admins": (
        "给全群换人设要群主或管理员来；只换对你的，用 {prefix}persona {verb} me。",
        "For the whole group it takes its owner or an admin; for you alone, {prefix}persona {verb} me.",
    ),
    "persona.shown": ("{name}（{id}）", "{name} ({id})"),
    "persona.shown_names": ("也叫：{names}", "Also called: {names}"),
    "persona.shown_emotions": ("情绪：{emotions}", "Emotions: {emotions}"),
    "persona.shown_prompt": ("提示词：\n{prompt}", "Prompt:\n{prompt}"),
    "mood.usage": ("用法：{prefix}mood [reset]", "Usage: {prefix}mood [reset]"),
    "mood.here": (
        "现在{mood}（愉快 {pleasure:+.2f}，精神 {energy:+.2f}）。",
        "{mood} now (pleasure {pleasure:+.2f}, energy {energy:+.2f}).",
    ),
    "mood.towards": (
        "对你{mood}（愉快 {pleasure:+.2f}，精神 {energy:+.2f}）。",
        "Towards you: {mood} (pleasure {pleasure:+.2f}, energy {energy:+.2f}).",
    ),
    "mood.last": ("上一次：{emotion}。", "Felt last: {emotion}."),
    "mood.off": (
        "我现在没有心情：人设没有情绪（纯文字的人设都没有），或者 [character] 里关了。",
        "I have no moods: the persona has no emotions (one that is plain text has none), or [character] says so.",
    ),
    "mood.calmed": ("好，我平静下来了。", "All right, I have calmed down."),
    "mood.neutral": ("平静", "calm"),
    "mood.slight": ("有点{mood}", "a little {mood}"),
    "mood.strong": ("很{mood}", "quite {mood}"),
    "mood.very": ("非常{mood}", "very {mood}"),
    "mood.pleased": ("开心", "pleased"),
    "mood.elated": ("兴奋", "elated"),
    "mood.lively": ("精神", "lively"),
    "mood.agitated": ("烦躁", "agitated"),
    "mood.displeased": ("不高兴", "displeased"),
    "mood.dejected": ("低落", "dejected"),
    "mood.tired": ("困倦", "tired"),
    "mood.content": ("放松", "content"),
    "see.emotion": (
        "每次回复的最开头，先用方括号写出你此刻的情绪，只能从这些里选：{emotions}。"
        "例如 [{example}]。情绪只写在最开头，正文里不写。",
        "Begin every reply with what you feel at this moment, in brackets, chosen from: {emotions}. For example "
        "[{example}]. Write it there and nowhere else.",
    ),
    "see.mood": ("你现在的心情：{mood}。", "Your mood now: {mood}."),
    "see.mood_towards": ("你对{name}：{mood}。", "Towards {name} you feel {mood}."),
    "see.you_all": ("大家", "everybody"),
    "see.now": ("（此刻：{note}）", "(Right now: {note})"),
    "report.persona": ("人设文件有问题。", "A persona file cannot be used as it is."),
    **{
        f"weekday.{n}": (f"星期{han}", name)
        for n, (han, name) in enumerate(
            (
                ("一", "Monday"),
                ("二", "Tuesday"),
                ("三", "Wednesday"),
                ("四", "Thursday"),
                ("五", "Friday"),
                ("六", "Saturday"),
                ("日", "Sunday"),
            )
        )
    },
    "period.small_hours": ("凌晨", "the small hours"),
    "period.morning": ("早上", "early morning"),
    "period.forenoon": ("上午", "morning"),
    "period.noon": ("中午", "noon"),
    "period.afternoon": ("下午", "afternoon"),
    "period.evening": ("晚上", "evening"),
    "period.night": ("深夜", "night"),
}
