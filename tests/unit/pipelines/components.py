"""Components of which several tests build their pipelines; what each does is said by a lab's `work`."""

from kfp import dsl
from kfp.dsl import Input, Model, Output

component = dsl.component(base_image="python:3.11", install_kfp_package=False)


@component
def add(a: int, b: int = 2) -> int: ...


@component
def echo(x: str) -> str: ...


@component
def total(values: list) -> int: ...


@component
def make(out: Output[Model], name: str = "m"): ...


@component
def use(models: Input[list[Model]]) -> int: ...  # type: ignore[type-arg]


@component
def one(model: Input[Model]) -> str: ...
