"""The compiled pipeline as an object of the stack, stored under its own digest.

Submission and the schedule run the same bytes. The digest is part of the object's name, never of a long-lived
resource's.
"""

import hashlib

import pulumi
import pulumi_gcp as gcp
from pulumi import Input, Output, ResourceOptions

from infra import naming


class CompiledPipeline(pulumi.ComponentResource):
    """`spec_json` is the spec's only form (infra/go_json.py); unknown while the images of a preview are."""

    def __init__(
        self, name: str, *, spec_json: Output[str], bucket: Input[str], opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("recsys:infra:CompiledPipeline", name, None, opts)
        self.digest = spec_json.apply(_sha256)
        self.path = self.digest.apply(lambda digest: f"{naming.PIPELINES}{digest}.json")
        self.object = gcp.storage.BucketObject(
            f"{name}-object",
            bucket=bucket,
            name=self.path,
            source=spec_json.apply(pulumi.StringAsset),  # `content` would be kept as a secret
            content_type="application/json",
            # The provider would delete first, as names are given; here another spec is another name, and the exported
            # one must not name nothing while the successor is made, or when that fails.
            opts=ResourceOptions(parent=self, delete_before_replace=False),
        )
        self.register_outputs({"digest": self.digest})


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
