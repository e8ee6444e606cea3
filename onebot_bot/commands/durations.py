"""How long, as people write it: 10m, 2h, 7d, 10分钟, 2小时, 7天, and for good: forever, 永久."""

import re
import unicodedata

MINUTE, HOUR, DAY = 60, 3600, 86400
LONGEST = 3650 * DAY
FOREVER = ("forever", "永久", "永远")
_UNITS = {
    **dict.fromkeys(("s", "sec", "秒"), 1),
    **dict.fromkeys(("m", "min", "分", "分钟"), MINUTE),
    **dict.fromkeys(("h", "小时", "时"), HOUR),
    **dict.fromkeys(("d", "天", "日"), DAY),
    **dict.fromkeys(("w", "周", "星期"), 7 * DAY),
}
_PART = rf"([0-9]{{1,6}})({'|'.join(sorted(_UNITS, key=len, reverse=True))})"
_WHOLE = re.compile(rf"(?:{_PART})+")


def parse_duration(text: str) -> int | None:
    """Seconds of `2h`, `1天12小时`; None when it is none, or longer than ten years."""
    written = unicodedata.normalize("NFKC", text).casefold()
    if not _WHOLE.fullmatch(written):
        return None
    seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall(_PART, written))
    return seconds if 0 < seconds <= LONGEST else None
