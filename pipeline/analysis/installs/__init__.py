"""A Dockerfile in, what its commands install out, with the lines. Speaks to: nothing."""

from pipeline.analysis.installs.conda import CondaInstall, conda_installs
from pipeline.analysis.installs.python import (
    ProjectInstall,
    PythonInstall,
    pip_installs,
    project_installs,
)
from pipeline.analysis.installs.system import SystemInstall, all_system_installs, system_installs
from pipeline.analysis.installs.variables import Within, runs, substituted, within

__all__ = [
    "CondaInstall",
    "ProjectInstall",
    "PythonInstall",
    "SystemInstall",
    "Within",
    "all_system_installs",
    "conda_installs",
    "pip_installs",
    "project_installs",
    "runs",
    "substituted",
    "system_installs",
    "within",
]
