"""The rules, by hand and in the order of their pages. A test catches one that is missing here."""

from pipeline.model import Rule
from policies import (
    cuda_twice,
    devel_image_shipped,
    driver_in_image,
    end_of_life_cuda,
    fleet_driver_too_old,
    ld_library_path_overwritten,
    missing_cuda_tag,
    missing_torch_wheel,
    package_cache_in_layer,
    runs_as_root,
    secret_in_image,
    shell_form_command,
    unpinned_base,
    wheel_cuda_mismatch,
)

RULES: tuple[Rule, ...] = (
    # the base image
    unpinned_base.RULE,
    missing_cuda_tag.RULE,
    end_of_life_cuda.RULE,
    fleet_driver_too_old.RULE,
    # what ships on it
    devel_image_shipped.RULE,
    cuda_twice.RULE,
    wheel_cuda_mismatch.RULE,
    missing_torch_wheel.RULE,
    driver_in_image.RULE,
    package_cache_in_layer.RULE,
    secret_in_image.RULE,
    # how it runs
    ld_library_path_overwritten.RULE,
    runs_as_root.RULE,
    shell_form_command.RULE,
)
