"""Lets an environment that a task makes (`python -m venv --system-site-packages`) see the packages of the task's image.

The image's Python is itself an environment on this host, which the new one would pass over.
"""

import site
import sys
from pathlib import Path


def see_the_images_packages(folder):
    """Append the image's packages, in `folder`, where the interpreter belongs to an environment that asks for them."""
    if folder in sys.path or sys.prefix == sys.base_prefix:
        return
    settings = Path(sys.prefix) / "pyvenv.cfg"
    if settings.is_file() and "include-system-site-packages = true" in settings.read_text():
        site.addsitedir(folder)
