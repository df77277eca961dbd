"""Where networks are trained: on a GPU if there is one, else on the CPU."""

import torch

CPU = torch.device("cpu")


def pick_device(no_cuda: bool) -> torch.device:
    """`no_cuda`: the CPU even where there is a GPU, also Apple's."""
    if not no_cuda and torch.cuda.is_available():
        return torch.device("cuda")
    if not no_cuda and torch.backends.mps.is_available():
        return torch.device("mps")
    return CPU


def has_bfloat16(device: torch.device = CPU) -> bool:
    """Whether it computes in bfloat16 natively: NVIDIA's GPUs since Ampere do, CPUs with AVX512-BF16 or AMX do."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device == CPU and any(torch.cpu.get_capabilities().get(f) for f in ("avx512_bf16", "amx_bf16"))
