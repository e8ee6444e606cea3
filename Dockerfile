# The bot without NapCat; compose.yaml puts the two together. See docs/docker.en.md.
FROM python:3.11-slim

WORKDIR /src
# Empty: pip's own torch, which runs on CPUs and NVIDIA GPUs. The address of PyTorch's CPU wheels saves gigabytes.
ARG TORCH_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DEFAULT_TIMEOUT=60
COPY constraints.txt ./
# What torch needs comes from the usual index, with the rest below.
RUN pip install --no-deps -c constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
COPY pyproject.toml README.md LICENSE ./
COPY onebot_bot ./onebot_bot
# `fonts`: Chinese in pictures.
RUN pip install -c constraints.txt '.[fonts]'

# The project's folder is mounted here: config.toml, models/, memory_store/, logs/.
WORKDIR /bot
# Libraries keep their caches there, whatever user the container runs as.
ENV HOME=/tmp
ENTRYPOINT ["onebot-bot"]
CMD ["run"]
