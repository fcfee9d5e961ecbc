"""The trainer's and the steps' images, as references by digest.

Which images is decided in infra/image_source.py. Built ones are tagged with the checkout's revision, pushed into the
stack's own repository by Docker's buildx with the credentials of the machine that deploys (`gcloud auth
configure-docker`), and named by the digest that the registry answered with: unknown in the preview of a new revision.
"""

from collections.abc import Sequence

import pulumi
import pulumi_docker_build as docker_build
from pulumi import Output, ResourceOptions

from contracts.stack_outputs import ImageLock
from infra import naming
from infra.image_source import Checkout


class TrainingImages(pulumi.ComponentResource):
    """`lock` holds both references."""

    def __init__(
        self,
        name: str,
        *,
        source: ImageLock | Checkout,
        repository_url: str,
        after: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("recsys:infra:TrainingImages", name, None, opts)
        self._repository_url = repository_url
        self._after = list(after)
        if isinstance(source, ImageLock):
            self.lock = Output.from_input(source)
        else:
            # Paths are relative to the project: absolute ones would differ from machine to machine and so rebuild.
            trainer = self._build(f"{name}-trainer", naming.TRAINER_IMAGE, source, context="trainer")
            steps = self._build(
                f"{name}-steps", naming.STEPS_IMAGE, source, context=".", dockerfile="pipeline/Dockerfile"
            )
            self.lock = Output.all(trainer=trainer, steps=steps).apply(lambda built: ImageLock(**built))
        self.register_outputs({})

    def _build(
        self, logical_name: str, image: str, checkout: Checkout, *, context: str, dockerfile: str = "trainer/Dockerfile"
    ) -> Output[str]:
        built = docker_build.Image(
            logical_name,
            tags=[f"{self._repository_url}/{image}:{checkout.revision}"],
            context=docker_build.BuildContextArgs(location=context),
            dockerfile=docker_build.DockerfileArgs(location=dockerfile),
            build_args={"GIT_SHA": checkout.revision},
            platforms=[docker_build.Platform.LINUX_AMD64],
            push=True,
            build_on_preview=False,
            opts=ResourceOptions(parent=self, depends_on=self._after),
        )
        return built.digest.apply(lambda digest: f"{self._repository_url}/{image}@{digest}")
