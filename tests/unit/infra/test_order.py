"""Nothing is created before the API that creates it is enabled."""

import pytest

from tests.unit.infra.deploy import deploy


@pytest.mark.parametrize("kind", ["Metric", "WorkloadIdentityPool", "IAMMember"])
@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_it_waits_for_something_that_is_there_before(stack: str, kind: str) -> None:
    deployment = deploy(stack=stack, config={"recsys-training:federation": {"githubRepository": "acme/recsys"}})
    found = deployment.of_type(kind)
    assert found
    assert [record.name for record in found if not record.dependencies] == []
