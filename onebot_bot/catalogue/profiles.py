"""Which model answers."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "about.profile": ("这里由哪个模型档案来回答", "which model profile answers here"),
    "profile.usage": (
        "用法：{prefix}profile list | use 名字 | reset",
        "Usage: {prefix}profile list | use NAME | reset",
    ),
    "profile.none": (
        "只有主模型。主人可以在 config.toml 里用 [profiles.名字] 添加别的模型，或同一个模型的别的设置。",
        "There is only the main model. The owner adds others, or the same by other settings, as [profiles.NAME] of "
        "config.toml.",
    ),
    "profile.now": ("这里由 {name} 来回答（{by}）。", "{name} answers here ({by})."),
    "profile.by.private": ("你选的", "your choice"),
    "profile.by.group": ("本群管理员选的", "chosen by this group's admins"),
    "profile.by.default": ("默认", "the default"),
    "profile.line": ("{mark} {about}", "{mark} {about}"),
    "profile.how": (
        "{prefix}profile use 名字 换一个，{prefix}profile reset 恢复默认。",
        "{prefix}profile use NAME chooses one, {prefix}profile reset goes back to the default.",
    ),
    "profile.main": ("主模型", "the main model"),
    "profile.state.main": ("用主模型", "by the main model"),
    "profile.state.ready": ("已加载", "loaded"),
    "profile.state.loading": ("正在加载", "loading"),
    "profile.state.absent": ("用到时才加载", "loaded when asked for"),
    "profile.state.failed": ("暂时用不了，由主模型代替", "cannot be used now, the main model answers for it"),
    "profile.thinks": ("先思考再回答", "thinks before it answers"),
    "profile.used": ("好，这里以后由 {name} 来回答。", "All right: {name} answers here from now on."),
    "profile.used_absent": (
        "好，这里以后由 {name} 来回答。它的模型用到时才加载，头一个回答会慢一些。",
        "All right: {name} answers here from now on. Its model is loaded when it is asked for, so the first answer "
        "takes longer.",
    ),
    "profile.used_loading": (
        "好，这里以后由 {name} 来回答。它的模型正在加载，头一个回答会慢一些。",
        "All right: {name} answers here from now on. Its model is being loaded, so the first answer takes longer.",
    ),
    "profile.used_failed": (
        "好，这里以后由 {name} 来回答。它的模型暂时用不了，能用之前由主模型代替。",
        "All right: {name} answers here from now on. Its model cannot be used now; until it can, the main one answers.",
    ),
    "profile.reset": ("好，恢复默认：由 {name} 来回答。", "Back to the default: {name} answers."),
    "profile.unknown": ("没有叫 {name} 的模型档案。{hint}", "There is no profile {name}. {hint}"),
    "profile.near": ("是不是 {name}？", "Did you mean {name}?"),
    "profile.see_list": ("{prefix}profile list 看有哪些。", "{prefix}profile list shows them."),
    "profile.admins": (
        "在群里换模型档案要群管理员来，请找群主或管理员。",
        "In a group its admins choose the profile: ask one of them, or its owner.",
    ),
    "status.profile": ("模型档案：这里用 {name}", "Profile: {name} here"),
    "status.profiles": ("；已加载 {loaded}", "; loaded: {loaded}"),
    "why.profile": ("由模型档案 {profile} 写的。", "Written by the profile {profile}."),
    "why.instead": (
        "由主模型写的：模型档案 {profile} 暂时用不了。",
        "Written by the main model: the profile {profile} cannot be used now.",
    ),
    "report.profile": (
        "有一个模型档案用不了，由主模型代替它回答。",
        "A model profile cannot be used; the main model answers for it.",
    ),
}
