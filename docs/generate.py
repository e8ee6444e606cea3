# noqa: INP001 - a script beside the pages it writes, no package
"""Write configuration.md, commands.md and errors.md from the code; with `--check` only say whether they are current."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from docs.tested import who_types
from onebot_bot.commands.dispatcher import build_registry
from onebot_bot.commands.registry import Command, Tier
from onebot_bot.config import Config, Key, config_keys
from onebot_bot.sections.profiles import ProfileConfig
from onebot_bot.texts import FAILURES, Language, say, words

DOCS = Path(__file__).resolve().parent
SHIPPED = DOCS.parent / "config.toml"
SHOWN = 3
"""Tests shown of each command: enough to begin reading, and few enough not to change with every new one."""
NOTE = "<!-- Made by docs/generate.py: change the code and run `make docs`. -->"
RESTART = "重启生效"
"""What comments in config.toml say of keys that are not live; a column says it here."""

CONFIGURATION = """# Settings · 设置

{note}

All of them are in `config.toml`, with comments in Chinese; what is missing there has the default given here.
A saved change applies within two seconds, and the log says which keys changed;
those marked *restart* wait for a restart of the bot.
A wrong key or value is named when the bot starts;
while it runs, a broken file keeps the last good settings and the owner is told why.
The owner can change keys in a chat too, `/config set chat.max_bubbles 2`, except secrets.

全部设置都在 `config.toml` 里，带中文注释；没写的键取这里的默认值。
保存后两秒内生效；标着 *restart* 的要重启机器人。
写错的键会在启动时指出；运行中存坏了文件，会继续用上一份正确的设置，并告诉主人原因。
"""

COMMANDS = """# Commands · 命令

{note}

A command starts with one of `commands.prefixes`, as shipped `/` or `／`.
It is typed in a private chat or a group, there with or without an @ of the bot.
Both spellings and aliases are understood everywhere; `/help` shows those that the asker may use.
What starts like a command and is none is answered in private, and in a group only when it comes with an @:
other bots use the same prefix.

命令以 `commands.prefixes` 里的任意一个开头（出厂是 `/` 和 `／`），私聊、群里都能用，群里不用 @。
不认识的命令，私聊里会提示；群里只有 @ 了它才提示，因为别的机器人也用这个前缀。

{table}

Group admins are those whom QQ names so in that group, its owner among them.
Bot admins are the QQ numbers in `bot.admins`, which `/admin` changes; they may what group admins may, in every group.
The bot's owners are the QQ numbers in `bot.owners`; they may use everything.
What destroys something shows it first, and is done when it is typed again with `-y`.

群管理员就是 QQ 里这个群的群主和管理员。
机器人管理员是 `bot.admins` 里的 QQ 号（`/admin` 可以增减），在每个群里都有群管理员的权限。
主人是 `bot.owners` 里的 QQ 号，可用全部命令。
会毁掉东西的命令先给你看一眼，末尾加上 `-y` 再发一次才执行。

## Arguments · 参数

{usages}

Verbs have Chinese names too: `列表`, `搜索`, `查看`, `添加`, `修改`, `忘记`, `置顶`, `取消置顶`, `统计`, `导出`
for `/memory`, `现在`, `状态`, `取消`, `回滚`, `报告` for `/learn`, `查看`, `设置`, `列表` for `/config`,
`查看`, `列表`, `用` for `/model`, `群`, `私聊` for `/send`,
`添加`, `移除`, `列表` for `/admin`, `启用`, `停用` for `/command`;
`列表`, `同意`, `拒绝` for `/request`;
`列表`, `用`, `查看`, `重置` for `/persona`;
for `/access` `用户`, `群`, `允许`, `拒绝`, `移除`, `黑名单`, `白名单`.
A value for `/config set` is written as in TOML: `0.5`, `true`, `[1, 2]`, and text with or without quotes.

Whoever is banned, on the deny list or not on a required allow list (`[access]`) is neither stored nor answered;
`/access allow|deny|remove group` without a number means the group it is typed in.
A command that is disabled in a group is left alone there, for another bot may have it, unless the bot is mentioned.

被封禁的、在黑名单里的、或开了白名单而不在名单里的（`[access]`），不记录也不回答；
`/access allow|deny|remove group` 不写号码就是指当前的群。
群里停用了的命令，不 @ 它就当没看见，因为别的机器人可能也有这个命令。

`/memory` works on the memories of the chat it is typed in, and never shows another chat's, unless it is shared;
see [memory.md](memory.md).
In private it is all yours. In a group its admins may do everything with the memory of the group;
everybody else may `list`, `search`, `show` and `forget` what is about them or was said by them.
`export` sends a JSON Lines file to the asker in private, who has to be a friend of the bot's account for that.

`/memory` 只管它所在的会话，绝不显示别的会话的记忆，除非那条是共享的。私聊里全归你；群里群管理员管全部，
其他人可以对关于自己的、自己说的用 `list`、`search`、`show`、`forget`。
`export` 把记忆存成 JSON Lines 文件私聊发给你，所以要先加机器人为好友。

## Tests · 测试

Some of the tests in which each command is typed; `make docs` fails where a command has none.
What else the bot does, and which tests show it: [behaviour.md](behaviour.md).

每条命令举几个输入它的测试；没有测试的命令会让 `make docs` 失败。其他行为和证明它的测试见 [behaviour.md](behaviour.md)。

{tests}
"""

ERRORS = """# Errors · 错误编号

{note}

Every error that reaches a person ends with an id such as `[OB-1202]`:
in chats, on the console, in the log and from `onebot-bot doctor`.
Before it stands what is known of this one case, such as the file, the key or the command;
here is what the id means, and what to do.
Ids do not change and are never used twice.
A report to the owner also carries a number of its own, which finds the line in `logs/bot.log`.
What the bot says when somebody talks too fast, or while it sleeps, is no error and has no id.

每个给人看到的错误，末尾都有一个编号，例如 `[OB-1202]`：聊天里、控制台、日志和 `onebot-bot doctor` 都一样。
编号前面说的是这一次的情况：哪个文件、哪个键、哪个命令；下面是编号的意思和下一步。
编号不会变，也不会挪作他用。发给主人的报告另有一个编号，用它能在 `logs/bot.log` 里找到那一行。
说得太快、或它在睡觉时的回话不是错误，没有编号。

{table}
"""


# --- settings ----------------------------------------------------------------------------------------------


def configuration_page() -> str:
    """docs/configuration.md."""
    chinese = read_comments(SHIPPED.read_text(encoding="utf-8"))
    sections = groupby(config_keys(["NAME"]), lambda key: key.path.rpartition(".")[0])
    tables = [_section(name, keys, chinese) for name, keys in sections]
    return "\n".join([CONFIGURATION.format(note=NOTE), *tables])


def read_comments(text: str) -> dict[str, str]:
    """The comment above each key of a config.toml, by the key's path."""
    found: dict[str, str] = {}
    section, comment = "", ""
    for line in text.splitlines():
        if re.match(r"#(\[|\w+ = )", line):
            line = line.removeprefix("#")  # noqa: PLW2901 - an example to be uncommented counts like what is in force
        if line.startswith("#"):
            comment += line.removeprefix("#").strip()
            continue
        if header := re.fullmatch(r"\[([\w.]+)\]", line):
            section = re.sub(r"^profiles\.\w+$", "profiles.NAME", header[1])
        elif key := re.match(r"(\w+) = ", line):
            found.setdefault(f"{section}.{key[1]}", comment)
        comment = ""
    return found


def _section(name: str, keys: Iterable[Key], chinese: Mapping[str, str]) -> str:
    owner = ProfileConfig() if name == "profiles.NAME" else getattr(Config(), name)
    about = (type(owner).__doc__ or "").partition(": ")[2].partition("\n")[0]
    rows = [_key_row(key, chinese[key.path]) for key in keys]
    head = ("key", "type", "default", "applies", "meaning")
    return f"## [{name}]\n\n{about[:1].upper()}{about[1:]}\n\n{_table(head, rows)}\n"


def _key_row(key: Key, chinese: str) -> Sequence[str]:
    meaning = f"{key.description}<br>{chinese.replace(f'{RESTART}。', '')}"
    default = "-" if key.default is None else f"`{json.dumps(key.default, ensure_ascii=False)}`"
    return f"`{key.path}`", key.type, default, "live" if key.live else "*restart*", meaning


# --- commands ----------------------------------------------------------------------------------------------


def commands_page() -> str:
    """docs/commands.md."""
    commands = build_registry().commands
    head = ("command", "also", "in private", "in a group", "what", "作用")
    table = _table(head, [_command_row(command) for command in commands])
    usages = "\n".join(f"- {line}" for command in commands for line in _usages(command))
    return COMMANDS.format(note=NOTE, table=table, usages=usages, tests=_tests_table())


def _command_row(command: Command) -> Sequence[str]:
    main, *others = command.names
    private = "-" if command.group_only else _tier(command.tier_in(group=False))
    tiers = [private, _tier(command.tier_in(group=True))]
    also = " ".join(f"`/{name}`" for name in others)
    return f"`/{main}`", also, *tiers, say("en", f"about.{main}"), say("zh", f"about.{main}")


def _tests_table() -> str:
    """Raises ValueError when a command has no test."""
    tests = who_types(build_registry())
    rows = [
        (f"`/{name}`", "<br>".join(f"`{file}::{test}`" for file, test in found[:SHOWN]))
        for name, found in tests.items()
    ]
    return _table(("command", "tests"), rows)


def _tier(tier: Tier) -> str:
    key = f"tier.{tier.name.lower()}"
    return f"{say('en', key)} {say('zh', key)}"


def _usages(command: Command) -> Iterator[str]:
    """What a wrongly used command answers, in both languages."""
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages if command.arguments else ():
        usage = words(language, f"{command.names[0]}.usage", prefix="/")
        yield re.sub(r"^(.*?[:：] ?)(.*)", r"\1`\2`", usage)


# --- errors ------------------------------------------------------------------------------------------------


def errors_page() -> str:
    """docs/errors.md."""
    rows = [(f"`{code}`", " ".join(each.cause), " ".join(each.step)) for code, each in sorted(FAILURES.items())]
    return ERRORS.format(note=NOTE, table=_table(("id", "cause · 原因", "next step · 怎么办"), rows))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


# --- the script --------------------------------------------------------------------------------------------

PAGES: Mapping[Path, Callable[[], str]] = {
    DOCS / "configuration.md": configuration_page,
    DOCS / "commands.md": commands_page,
    DOCS / "errors.md": errors_page,
}


def stale_pages() -> dict[Path, str]:
    """The pages that are not what the code says, with what they should be."""
    wanted = {path: make() for path, make in PAGES.items()}
    return {path: text for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text}


def main() -> int:
    """Write what is stale; with `--check` name it and fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is not current")
    check = parser.parse_args().check
    try:
        stale = stale_pages()
    except ValueError as error:
        sys.exit(f"docs/commands.md: {error}")
    for path, text in stale.items():
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}: {'not current; run make docs' if check else 'written'}\n")
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
