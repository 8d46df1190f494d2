"""Sizes of published models, as their headers and configurations say."""

from anatomy.models.size import ModelSize

SMOL_135M = ModelSize(
    parameters=134_515_008,
    floating=134_515_008,
    bytes_by_dtype={"F32": 538_060_032},
    layers=30,
    d_model=576,
    intermediate=1536,
    vocabulary=49_152,
    kv_heads=3,
    head_dim=64,
)
"""SmolLM2 135M, in float32; head and embedding are one matrix."""
QWEN_0_5B = ModelSize(
    parameters=494_032_768,
    floating=494_032_768,
    bytes_by_dtype={"BF16": 988_065_536},
    layers=24,
    d_model=896,
    intermediate=4864,
    vocabulary=151_936,
    kv_heads=2,
    head_dim=64,
)
"""Qwen2.5 0.5B; head and embedding are one matrix."""
LLAMA_8B = ModelSize(
    parameters=8_030_261_248,
    floating=8_030_261_248,
    bytes_by_dtype={"BF16": 16_060_522_496},
    layers=32,
    d_model=4096,
    intermediate=14336,
    vocabulary=128_256,
    kv_heads=8,
    head_dim=128,
)
"""Llama 3 and 3.1 8B."""
LLAMA_70B = ModelSize(
    parameters=70_553_706_496,
    floating=70_553_706_496,
    bytes_by_dtype={"BF16": 141_107_412_992},
    layers=80,
    d_model=8192,
    intermediate=28672,
    vocabulary=128_256,
    kv_heads=8,
    head_dim=128,
    in_blocks=80 * (2 * 8192 * 8192 + 2 * 1024 * 8192 + 3 * 8192 * 28_672),
)
"""Llama 3.1 70B."""
