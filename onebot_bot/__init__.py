"""A QQ companion bot with the language model and its episodic memory in one process."""

__version__ = "0.1.0"
