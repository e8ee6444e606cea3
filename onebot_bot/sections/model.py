"""[model], [generation] and [vision]: what answers, how, and what it sees."""

from typing import Annotated, Literal

from msgspec import Meta

from onebot_bot.sections.base import RESTART, Section

ECHO = "echo"
"""As `model.path`: no model, see engine/echo.py."""


class ModelConfig(Section, frozen=True, kw_only=True):
    """[model]: the language model in the process."""

    path: Annotated[
        str,
        Meta(
            description="Model folder (safetensors in the Hugging Face layout, or one GGUF file), relative to "
            "config.toml. "
            "`echo`: no model, the bot repeats what it is told, to test a connection.",
            extra=RESTART,
        ),
    ] = "models/trial"
    device: Annotated[str, Meta(description="`auto`, `cpu`, `cuda` or `cuda:N`.", extra=RESTART)] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Meta(
            description="Weights' type. `auto`: bfloat16 where the device computes in it, else float16 on CUDA "
            "and float32 on a CPU.",
            extra=RESTART,
        ),
    ] = "auto"
    weights: Annotated[
        Literal["full", "int8", "int4"],
        Meta(
            description="How the weights are kept to serve. `full`: as `dtype` says; `int8`, `int4`: a half and a "
            "third of that, and faster on a CPU; on CUDA `int4` alone, by bitsandbytes. Training takes them whole.",
            extra=RESTART,
        ),
    ] = "full"
    fallback: Annotated[
        str,
        Meta(
            description="Model folder that serves where `path` does not fit into memory, relative to config.toml. "
            "Empty: none.",
            extra=RESTART,
        ),
    ] = ""
    threads: Annotated[int, Meta(ge=0, description="CPU threads of torch. 0: all cores but one.", extra=RESTART)] = 0
    max_context: Annotated[
        int,
        Meta(
            ge=0,
            description="Longest prompt plus answer, tokens. 0: the model's own window, at most 8192.",
            extra=RESTART,
        ),
    ] = 0
    max_running: Annotated[
        int, Meta(ge=1, le=64, description="Answers generated side by side; further ones queue.", extra=RESTART)
    ] = 4
    stall: Annotated[
        float,
        Meta(
            ge=0,
            le=86400,
            description="Seconds without one finished step of the model after which it counts as hung: the process "
            "restarts itself and answers what waits. 0: never.",
            extra=RESTART,
        ),
    ] = 300.0


class GenerationConfig(Section, frozen=True, kw_only=True):
    """[generation]: how the next token is chosen, and when to stop."""

    temperature: Annotated[float, Meta(ge=0, le=2, description="0: always the most likely token.")] = 0.7
    top_p: Annotated[float, Meta(gt=0, le=1, description="Nucleus mass kept. 1: off.")] = 0.9
    top_k: Annotated[int, Meta(ge=0, description="Most likely tokens kept. 0: off.")] = 40
    min_p: Annotated[float, Meta(ge=0, le=1, description="Least share of the top token's probability.")] = 0.0
    repetition_penalty: Annotated[float, Meta(ge=0.5, le=2, description="1: off.")] = 1.1
    presence_penalty: Annotated[float, Meta(ge=-2, le=2, description="0: off.")] = 0.0
    seed: Annotated[int, Meta(ge=-1, description="-1: a new one for every answer.")] = -1
    max_new_tokens: Annotated[int, Meta(ge=1, le=32768, description="Longest answer, thinking included.")] = 256
    timeout: Annotated[float, Meta(gt=0, description="Seconds an answer may take, waiting included.")] = 180.0
    thinking: Annotated[bool, Meta(description="Let models that can think do so before they answer.")] = False
    max_thinking: Annotated[
        int,
        Meta(ge=0, le=32768, description="Longest thought, tokens; then it is closed. 0: no bound."),
    ] = 0


class VisionConfig(Section, frozen=True, kw_only=True):
    """[vision]: the pictures and videos that a model with eyes is shown."""

    max_pictures: Annotated[
        int,
        Meta(
            ge=0,
            le=32,
            description="Most pictures and videos shown at once, the newest; the others stay words. 0: none.",
        ),
    ] = 4
    picture_megapixels: Annotated[
        float,
        Meta(
            ge=0.01,
            le=16,
            description="Larger pictures are scaled down to this; the frames of a video share it. "
            "Qwen3-VL takes about 1000 tokens a megapixel.",
        ),
    ] = 0.8
    prompt_megapixels: Annotated[
        float, Meta(ge=0.01, le=64, description="Most of all pictures shown at once together; the newest are kept.")
    ] = 2.0
    max_mib: Annotated[float, Meta(gt=0, le=256, description="Largest picture or video fetched, MiB.")] = 20.0
    fetch_timeout: Annotated[
        float, Meta(gt=0, le=60, description="Longest an answer waits for pictures to be fetched, seconds.")
    ] = 8.0
    video_frames: Annotated[
        int,
        Meta(
            ge=0,
            le=16,
            description="Frames shown of a video, evenly spaced; takes PyAV (the extra `video`). 0: videos stay words.",
        ),
    ] = 4
    store_mib: Annotated[
        int,
        Meta(ge=1, le=65536, description="Room for pictures in memory_store/pictures, MiB; the oldest make way."),
    ] = 256
