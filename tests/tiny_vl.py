"""A tiny random model of Qwen3-VL's architecture with the real tokenizer: it sees, whatever it makes of it."""

from pathlib import Path

import torch
import transformers

# The message part of Qwen3-VL's own chat template: a picture is its pad between vision_start and vision_end.
TEMPLATE = """{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' }}
{%- if message.content is string %}{{ message.content }}{% else %}
{%- for part in message.content -%}
{%- if part.type == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}
{%- else %}{{ part.text }}{% endif %}
{%- endfor %}{% endif %}{{ '<|im_end|>\n' }}
{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""


def make_tiny_vl(path: Path, tokenizer: Path) -> Path:
    """Write a model folder of a few million random weights, with the tokenizer of the folder `tokenizer`."""
    torch.manual_seed(0)
    config = transformers.Qwen3VLConfig(
        text_config={
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 151936, "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "mrope_interleaved": True,
                                "rope_theta": 5_000_000.0},
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64,
            "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
        },
        tie_word_embeddings=True,
    )  # fmt: skip
    model = transformers.Qwen3VLForConditionalGeneration(config)
    for parameter in model.parameters():  # the default initialisation is so small that every answer is alike
        torch.nn.init.normal_(parameter, std=0.2)
    model.generation_config.eos_token_id = 151645
    model.save_pretrained(path)
    for file in tokenizer.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    (path / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    images = transformers.Qwen2VLImageProcessorPil(
        patch_size=16, merge_size=2, temporal_patch_size=2, size={"shortest_edge": 1024, "longest_edge": 65536}
    )
    images.save_pretrained(path)
    return path
