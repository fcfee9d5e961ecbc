"""The program that `pulumi` and the embedded engine run: settings in, platform up, stack outputs out."""

import pulumi

from infra import settings
from infra.platform import Platform
from pipeline.definition import compile_pipeline

platform = Platform(settings.load(), compile_pipeline=compile_pipeline)
for name, value in platform.outputs.items():
    pulumi.export(name, value)
