"""What can be said of the model before it is loaded, from its folder and that of its fallback."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from onebot_bot.engine.folder import DEFAULT_CONTEXT, ModelFolder, check_model_folder
from onebot_bot.errors import ModelError
from onebot_bot.sections.model import ModelConfig


def may_see(folder: Path, model: ModelConfig) -> bool:
    """Whether the configured model or its fallback takes pictures; one that cannot be loaded takes none."""
    return any(found.sees for found in _folders(folder, model))


def window_of(folder: Path, model: ModelConfig) -> int:
    """Tokens that the configured model and its fallback take at once, the smaller of the two."""
    return min((found.window(model.max_context) for found in _folders(folder, model)), default=DEFAULT_CONTEXT)


def _folders(folder: Path, model: ModelConfig) -> Iterator[ModelFolder]:
    """Those that can be loaded."""
    for name in filter(None, (model.path, model.fallback)):
        with contextlib.suppress(ModelError):
            yield check_model_folder(folder / name)
