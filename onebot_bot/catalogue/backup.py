"""Backups, as the owner hears of them."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "about.backup": ("现在备份一份：记录、记忆、图片、设置、人设", "make a backup now: record, memories, settings"),
    "about.restore": ("有哪些备份，怎样恢复", "which backups there are, and how to put one back"),
    "backup.made": (
        "备份好了：{name}（{size}）\n{messages:,} 条消息，{memories:,} 条记忆，{pictures:,} 张图片，训练版本："
        "{adapter}，还有设置、令牌和人设。\n在 {folder}，留最近 {keep} 份。里面是明文的私聊，请妥善保管。"
        "怎样恢复：{prefix}restore",
        "Backup made: {name} ({size})\n{messages:,} messages, {memories:,} memories, {pictures:,} pictures, trained "
        "version: {adapter}; and settings, token, personas.\nIt lies in {folder}; the newest {keep} are kept. Private "
        "chats are in it as plain text. How to put it back: {prefix}restore",
    ),
    "backup.no_adapter": ("无", "none"),
    "restore.none": ("还没有备份。现在备份一份：{prefix}backup", "There are no backups. Make one: {prefix}backup"),
    "restore.head": ("共 {count} 份备份，新的在前：", "{count} backups, the newest first:"),
    "restore.line": ("· {made}  {size}  {name}", "· {made}  {size}  {name}"),
    "restore.how": (
        "恢复要在电脑上做：先停掉机器人，在它的文件夹里运行\nonebot-bot restore {name}\n"
        "再启动。之后的聊天和记忆会回到备份那一刻；现在的文件会挪到一边，不会删除。",
        "It is put back at the computer: stop the bot, run in its folder\nonebot-bot restore {name}\nand start it. "
        "Chats and memories are then as of that moment; the files of now are moved aside, not deleted.",
    ),
    "report.empty": (
        "数据库里一条消息也没有，可是有备份。",
        "The database holds no messages, though there are backups.",
    ),
    "report.backup": (
        "备份没有做成。机器人照常运行，已有的备份都还在；一小时后再试。",
        "No backup could be made. The bot goes on and the earlier backups stay; it tries again in an hour.",
    ),
}
