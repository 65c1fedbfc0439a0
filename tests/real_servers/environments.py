"""Environments beside the one that runs the tests: they see its packages, and have of their own what differs."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from discover.utils import env
from discover.utils.venv_utils import venv_dir_from_mod

from novaspeech.module.catalogue import MODULES


def make_environment(folder: Path) -> Path:
    """Makes an environment without pip that sees this one's packages after its own, and gives its python."""
    venv.create(folder, symlinks=True)
    packages = sysconfig.get_path("purelib", "posix_prefix", vars={"base": str(folder)})
    Path(packages, "development.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


def install_nova_server(folder: Path) -> None:
    """NOVA-Server, whose packages cannot live beside DISCOVER's, in an environment of its own."""
    python = make_environment(folder)
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    subprocess.run([*command, "hcai-nova-server==1.6.2", "hcai-nova-utils==1.6.8"], check=True, env=environment)


def lay_out_environment(module: str, cache: Path) -> Path:
    """The folder that DISCOVER's venv backend makes for a module before its first job, without pip's minutes.

    The backend installs nothing into a folder that is there (`VenvHandler.init_venv`), and runs the du-process in it.
    Without pip it could not install anything, either. That a module needs no more than its requirements.txt is shown
    of one in test_discover_venv.py.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(env.DISCOVER_CACHE_DIR, str(cache))
        folder = venv_dir_from_mod(MODULES / module)
    python = make_environment(folder)
    script = folder / "bin" / "du-process"
    script.write_text(
        f"#!{python}\nimport sys\nfrom discover_utils.scripts.process import cl_main\nsys.exit(cl_main())\n"
    )
    script.chmod(0o755)
    return folder
