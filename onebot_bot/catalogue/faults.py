"""As failures.py: what goes wrong with the disk, with nights, with what is sent, and with the installation."""

from collections.abc import Mapping

from onebot_bot.catalogue.failures import Failure

_DISK: Mapping[str, Failure] = {
    "OB-1301": Failure(
        "store",
        ("记忆库用不了。", "The memory store cannot be used."),
        ("看提示里的文件和原因；检查磁盘和权限。", "See the file and reason it names; check the disk and its mode."),
    ),
    "OB-1302": Failure(
        "store-in-use",
        ("另一个机器人或程序正在用这个文件夹。", "Another bot or program uses this folder."),
        ("停掉那一个，或给这一个自己的文件夹。", "Stop that one, or give this one a folder of its own."),
    ),
    "OB-1303": Failure(
        "database-damaged",
        ("数据库损坏，或根本不是数据库。", "The database is damaged, or no database."),
        (
            "停掉机器人，运行提示里的 onebot-bot restore；坏的那份会挪到一边。",
            "Stop the bot and run the `onebot-bot restore` it names; the damaged file is moved aside.",
        ),
    ),
    "OB-1304": Failure(
        "database-newer",
        ("数据库是更新的版本写的。", "The database was written by a newer version."),
        ("升级程序。", "Update the program."),
    ),
    "OB-1305": Failure(
        "not-writable",
        ("文件写不了：没有权限，或磁盘满了。", "A file cannot be written: no permission, or the disk is full."),
        ("修改所有者或权限，或清理磁盘。", "Mend its owner or mode, or free some disk space."),
    ),
    "OB-1306": Failure(
        "write-lost",
        ("一次不重要的写入丢了，例如计数。", "A write that nobody waits for was lost, such as a count."),
        ("检查磁盘空间；反复出现就运行 onebot-bot doctor。", "Check the disk; if it recurs, run `onebot-bot doctor`."),
    ),
    "OB-1307": Failure(
        "chat-not-read",
        ("有的聊天没能整理成记忆，下次再试。", "A chat could not be read for memories; it is tried again."),
        ("看日志里的原因；反复出现就报告问题。", "See the cause in the log; report it if it recurs."),
    ),
    "OB-1309": Failure(
        "index-damaged",
        ("记忆的索引文件损坏。", "The index of the memories is damaged."),
        ("不用做什么：下次启动会从数据库重建。", "Nothing: the next start makes it anew from the database."),
    ),
    "OB-1310": Failure(
        "readable-by-others",
        ("私密文件能被这台机器上的其他用户读到。", "Private files can be read by other users of this machine."),
        ("运行提示里的 chmod。", "Run the chmod it names."),
    ),
    "OB-1311": Failure(
        "backup",
        ("备份没有做成；已有的备份都还在。", "No backup could be made; the earlier ones stay."),
        ("看提示里的文件和原因；处理好后发送 /backup。", "See the file and reason it names; then send /backup."),
    ),
    "OB-1312": Failure(
        "disk-low",
        ("磁盘快满了。", "The disk is nearly full."),
        ("清理一些空间；旧模型、旧备份最占地方。", "Free some space; old models and backups take the most."),
    ),
    "OB-1313": Failure(
        "backup-damaged",
        ("备份文件损坏，或不是备份。", "The backup is damaged, or no backup."),
        ("用别的备份：onebot-bot restore 列出哪些是好的。", "Take another: `onebot-bot restore` lists the good ones."),
    ),
    "OB-1314": Failure(
        "restore-interrupted",
        ("恢复到一半中断了，文件半新半旧。", "A restore was interrupted: the files are of two states."),
        ("再运行一次提示里的命令，它会做完。", "Run the command it names once more; it finishes the work."),
    ),
    "OB-1317": Failure(
        "database-empty",
        ("数据库是空的，可是有备份。", "The database is empty, though there are backups."),
        (
            "不是有意重新开始的话：停掉机器人，运行 onebot-bot restore。",
            "Unless you mean to start afresh: stop the bot and run `onebot-bot restore`.",
        ),
    ),
    "OB-1315": Failure(
        "backup-old",
        ("很久没有成功的备份了。", "There has been no good backup for long."),
        ("看日志里备份失败的原因，然后发送 /backup。", "See in the log why it failed, then send /backup."),
    ),
}

_NIGHTS: Mapping[str, Failure] = {
    "OB-1401": Failure(
        "learning",
        ("这次学习没有成功，继续用原来的版本。", "This night did not succeed; the version before still serves."),
        ("按提示处理后发送 /learn now，或等下一晚。", "Do as it says, then /learn now, or wait for the next night."),
    ),
    "OB-1402": Failure(
        "night-no-disk",
        ("磁盘空间不够学习。", "There is not enough disk space to learn."),
        ("腾出空间，或调小 learning.keep_versions。", "Free some space, or lower learning.keep_versions."),
    ),
    "OB-1403": Failure(
        "night-no-memory",
        ("显存或内存不够学习。", "There is not enough device memory to learn."),
        ("关掉占用它的程序，或换小一点的模型。", "End what else uses it, or use a smaller model."),
    ),
    "OB-1405": Failure(
        "not-restored",
        ("学习失败后，原来的版本也换不回来。", "After a failed night the version before could not be put back."),
        ("重启机器人。", "Restart the bot."),
    ),
    "OB-1407": Failure(
        "training-process",
        ("训练进程中途结束了。", "The process that trains has ended early."),
        ("看提示的日志文件的最后几行；多半是内存不够。", "See the end of the log it names; mostly memory ran out."),
    ),
    "OB-1408": Failure(
        "refining",
        ("空闲时打磨记忆出错，下次再试。", "Refining memories while idle failed; it is tried again."),
        ("反复出现就带着日志报告问题。", "If it recurs, report it with the log."),
    ),
    "OB-1410": Failure(
        "report-picture",
        ("学习报告的图画不出来，文字照常。", "The picture of the report could not be drawn; the words are there."),
        ("重新安装：make run。", "Install again: make run."),
    ),
    "OB-1412": Failure(
        "night-half-done",
        ("有一晚的学习做到一半就断了。", "A night's learning was broken off half-way."),
        (
            "启动机器人：十二小时内的会接着做，更早的会丢弃。",
            "Start the bot: one of the last twelve hours goes on, an older one is thrown away.",
        ),
    ),
    "OB-1413": Failure(
        "training-leftover",
        ("训练文件夹里有没人认领的大文件。", "There are large files in the training folder that belong to nothing."),
        ("确认没有在学习，然后删除提示的文件夹。", "When nothing is being learned, delete the folder it names."),
    ),
}

_CONTENTS: Mapping[str, Failure] = {
    "OB-1501": Failure(
        "media",
        ("图片或文件取不到。", "A picture or file could not be fetched."),
        ("再发一次。", "Send it again."),
    ),
    "OB-1502": Failure(
        "media-large",
        ("图片或文件太大。", "A picture or file is too large."),
        (
            "发小一点的；主人可以调大 [vision] 或 [reading] 的上限。",
            "Send a smaller one, or raise the limit in config.",
        ),
    ),
    "OB-1503": Failure(
        "media-broken",
        ("图片或视频已损坏。", "A picture or video is damaged."),
        ("换一个文件再发。", "Send another file."),
    ),
    "OB-1510": Failure(
        "reading",
        ("文件、链接或图片里的字读不出来。", "The words of a file, link or picture cannot be read."),
        ("换成 PDF、Word 或纯文本，去掉密码。", "Send it as PDF, Word or plain text, without a password."),
    ),
    "OB-1520": Failure(
        "rendering",
        ("长回答画不成图片，已改发文字。", "A long answer could not be drawn; it was sent as text."),
        ("不用做什么；反复出现就看日志。", "Nothing; see the log if it recurs."),
    ),
    "OB-1521": Failure(
        "fonts",
        ("缺少中文或彩色表情的字体。", "A font for Chinese or for colour emoji is missing."),
        ("按提示安装字体。", "Install the fonts as it says."),
    ),
    "OB-1522": Failure(
        "ocr",
        ("没有安装 RapidOCR，图片里的字读不了。", "RapidOCR is not installed: words in pictures are not read."),
        (
            "安装提示的包，或把 [reading] 的 ocr 改为 false。",
            "Install the package it names, or set ocr of [reading] to false.",
        ),
    ),
    "OB-1601": Failure(
        "fetch",
        ("模型下载不了，或与校验和不符。", "A model could not be downloaded, or differs from its checksum."),
        (
            "再运行一次，会接着下载；或用 --mirror 换一个源。",
            "Run it again, it goes on; or name another with --mirror.",
        ),
    ),
    "OB-1701": Failure(
        "import",
        ("聊天导出文件用不了，或命令行写错了。", "The chat export cannot be used, or the command line is wrong."),
        ("按提示改命令，或重新导出。", "Mend the command as it says, or export the chat again."),
    ),
}

_INSTALLATION: Mapping[str, Failure] = {
    "OB-1801": Failure(
        "python-old",
        ("Python 太旧。", "Python is too old."),
        ("安装 Python 3.11 或更新的版本。", "Install Python 3.11 or newer."),
    ),
    "OB-1802": Failure(
        "package",
        ("缺少程序需要的包，或装坏了。", "A package that the program needs is missing or broken."),
        ("重新安装：make run。", "Install again: make run."),
    ),
    "OB-1804": Failure(
        "clock",
        ("这台机器的时间不对。", "The clock of this machine is wrong."),
        ("打开系统的自动对时（NTP）。", "Switch on the system's time synchronisation (NTP)."),
    ),
    "OB-1805": Failure(
        "time-zone",
        ("不认识 learning.timezone 这个时区，按 UTC 算。", "learning.timezone is not known; UTC is used."),
        (
            "写成 Asia/Shanghai 这样的名字；缺时区数据就安装 tzdata。",
            "Use a name such as Asia/Shanghai; if the zones are missing, install tzdata.",
        ),
    ),
    "OB-1806": Failure(
        "errors-repeat",
        ("日志里反复出现同一个错误。", "The same error stands in the log again and again."),
        ("在这张表里查那个编号。", "Look that error's id up in this table."),
    ),
    "OB-1807": Failure(
        "no-model",
        ("model.path 是 echo：没有模型，只会重复别人的话。", "model.path is echo: no model, what is said is repeated."),
        ("测试完连接后，把 path 改回模型的文件夹。", "When the connection is tested, set path to a model's folder."),
    ),
    "OB-1808": Failure(
        "loopback",
        ("本机的连接被拦住了。", "Connections within this machine are blocked."),
        ("检查防火墙和杀毒软件。", "Check the firewall and the virus scanner."),
    ),
}

FAILURES: Mapping[str, Failure] = {**_DISK, **_NIGHTS, **_CONTENTS, **_INSTALLATION}
"""By id."""
