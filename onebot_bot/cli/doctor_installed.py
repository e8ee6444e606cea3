"""What doctor checks of the installation: Python, packages, torch, fonts."""

import importlib
import importlib.metadata
import shutil
import sys
from typing import Any

from onebot_bot.cli.finding import Finding

OLDEST_PYTHON = (3, 11)
PACKAGES = {
    "accelerate": "accelerate",
    "aiohttp": "aiohttp",
    "apscheduler": "apscheduler",
    "faiss-cpu": "faiss",
    "gguf": "gguf",
    "jinja2": "jinja2",
    "latex2mathml": "latex2mathml",
    "markdown-it-py": "markdown_it",
    "numpy": "numpy",
    "peft": "peft",
    "pillow": "PIL",
    "prompt-toolkit": "prompt_toolkit",
    "psutil": "psutil",
    "pypdf": "pypdf",
    "selectolax": "selectolax",
    "tomlkit": "tomlkit",
    "transformers": "transformers",
    "typst": "typst",
    "websockets": "websockets",
}
"""Distribution and module of what the bot imports somewhere; msgspec and structlog are needed to get here."""

_FONTS = (
    "中文字体：python -m pip install -c constraints.txt -e '.[fonts]'；表情字体：Debian、Ubuntu 安装 "
    "fonts-noto-color-emoji（中文也可装 fonts-noto-cjk）。Windows 自带这两种字体。"
)
_REINSTALL = "重新安装：在项目文件夹里运行 make run；或 python -m pip install -c constraints.txt -e ."


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Python is recent enough."""
    shown = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return Finding("fail", f"Python {shown} is too old", "请安装 Python 3.11 或更新的版本。", "OB-1801")
    return Finding("ok", f"Python {shown}")


def check_packages(packages: dict[str, str] = PACKAGES) -> Finding:
    """Whatever the bot imports can be imported."""
    problems = [problem for name, module in packages.items() if (problem := _import_problem(name, module))]
    if problems:
        return Finding("fail", "; ".join(problems), _REINSTALL, "OB-1802")
    return Finding("ok", f"{len(packages)} packages can be imported")


def _import_problem(name: str, module: str) -> str:
    try:
        importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: a library of the system is missing
        return f"{name}: {error}"
    return ""


def check_torch(device: str) -> Finding:
    """Torch can be imported, and has the configured device."""
    try:
        torch: Any = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        return Finding("fail", f"torch: {error}", _REINSTALL, "OB-1802")
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    if device.startswith("cuda") and not name:
        return Finding(
            "fail",
            f"torch {torch.__version__} finds no GPU, but model.device is {device!r}",
            "检查显卡驱动和 CUDA 版 torch；或把 config.toml 中 [model] 的 device 改为 auto。",
            "OB-1204",
        )
    if not name and device == "auto" and shutil.which("nvidia-smi"):
        return Finding(
            "warn",
            f"torch {torch.__version__} does not use the NVIDIA GPU of this machine",
            "模型会在 CPU 上运行。要用显卡，请更新驱动并安装 CUDA 版 torch。",
            "OB-1204",
        )
    return Finding("ok", f"torch {torch.__version__} on {'cpu' if device == 'cpu' else name or 'cpu'}")


def check_fonts(*, system: bool = True) -> Finding:
    """There are fonts for pictures of long answers; those of the system are looked for too, unless told otherwise."""
    try:
        module: Any = importlib.import_module("onebot_bot.rendering.fonts")
    except ImportError as error:
        return Finding("fail", f"pictures of long answers: {error}", _REINSTALL, "OB-1802")
    fonts = module.find_fonts(system=system)
    missing = [
        *([] if fonts.chinese else ["a font with Chinese characters"]),
        *([] if fonts.emoji else ["a font with colour emoji"]),
    ]
    if not missing:
        return Finding("ok", f"pictures of long answers are set in {fonts.chinese} and {fonts.emoji}")
    return Finding(
        "warn", f"pictures lack {' and '.join(missing)}: answers that need it are sent as text", _FONTS, "OB-1521"
    )
