"""An image reference, a version, a driver or a GPU in, what is known about them out. Speaks to: pipeline/data/gpu/.

The tables are ours; each says where it comes from and when it was gathered, and is read when it is first asked for.
Versions are compared with `packaging`, never as text. What a table does not know is None, never "missing".
"""

from pipeline.facts.bases import CudaBase, GpuBase, cuda_base, gpu_base
from pipeline.facts.drivers import (
    accepted_branches,
    driver,
    driver_text,
    minimum_driver,
    newest_cuda,
    nvidia_require_cuda,
    oldest_driver,
)
from pipeline.facts.gpus import capability, compiles_for, covers, gpu_names
from pipeline.facts.images import (
    CudaTag,
    Reference,
    all_supported,
    cuda_tag,
    deletion,
    exists,
    is_end_of_life,
    nearest_tag,
    reference,
    replacement,
)
from pipeline.facts.requirements import Answer, requirement_holds
from pipeline.facts.systems import os_glibc, os_musl
from pipeline.facts.tables import gathered
from pipeline.facts.wheels import (
    cuda_of_variant,
    onnxruntime_cuda,
    torch_default_cuda,
    torch_index_cuda,
    wheel_capabilities,
    wheel_cuda,
    wheel_cudnn,
    wheel_driver,
    wheel_pythons,
    wheel_torch,
)

__all__ = [
    "Answer", "CudaBase", "CudaTag", "GpuBase", "Reference", "accepted_branches", "all_supported", "capability",
    "compiles_for", "covers", "cuda_base", "cuda_of_variant", "cuda_tag", "deletion", "driver", "driver_text",
    "exists", "gathered", "gpu_base", "gpu_names", "is_end_of_life", "minimum_driver", "nearest_tag", "newest_cuda",
    "nvidia_require_cuda", "oldest_driver",
    "onnxruntime_cuda", "os_glibc", "os_musl", "reference", "replacement", "requirement_holds",
    "torch_default_cuda", "torch_index_cuda", "wheel_capabilities", "wheel_cuda", "wheel_cudnn", "wheel_driver",
    "wheel_pythons", "wheel_torch",
]  # fmt: skip
