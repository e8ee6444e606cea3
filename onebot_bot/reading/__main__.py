"""`python -m onebot_bot.reading`: the process that reads one file; reading/extractor.py starts it."""

import sys

from onebot_bot.reading.job import work

if __name__ == "__main__":
    sys.exit(work())
