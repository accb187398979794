"""A Dockerfile in, what its commands install out, with the lines. Speaks to: nothing."""

from pipeline.analysis.installs.conda import CondaInstall, conda_installs
from pipeline.analysis.installs.python import (
    ProjectInstall,
    PythonInstall,
    all_pip_installs,
    pip_installs,
    project_installs,
)
from pipeline.analysis.installs.system import SystemInstall, system_installs

__all__ = [
    "CondaInstall",
    "ProjectInstall",
    "PythonInstall",
    "SystemInstall",
    "all_pip_installs",
    "conda_installs",
    "pip_installs",
    "project_installs",
    "system_installs",
]
