"""`python -m onebot_bot.rendering`: the process that draws one picture; rendering/painter.py starts it."""

import sys

from onebot_bot.rendering.job import work

if __name__ == "__main__":
    sys.exit(work())
