import pytest

from local.cloud.routing import Route, Router, Service


def _handler(_):
    return {}


@pytest.fixture
def router():
    ids = {"123456789012": "acme-recsys"}
    routes = [
        Route("POST", "/v1/{parent=projects/*/locations/*}/customJobs", _handler),
        Route("GET", "/v1/{name=projects/*/locations/*/customJobs/*}", _handler),
        Route("POST", "/v1/{name=projects/*/locations/*/customJobs/*}:cancel", _handler),
        Route("POST", "/v1/projects/{project}:getIamPolicy", _handler),
        Route("GET", "/v1/b/{bucket}/o/{object}", _handler),
        Route("GET", "/v1/b/{bucket}/o", _handler),
        Route("GET", "/v1/files/{path=**}", _handler),
    ]
    service = Service("svc", routes, ["/svc"], {"v1": ("v1", "v1beta1")})
    return Router([service], lambda text: ids.get(text, text))


def test_a_template_captures_a_resource_name(router):
    match = router.match("POST", "/svc/v1/projects/p/locations/l/customJobs")
    assert match.params == {"parent": "projects/p/locations/l"}


def test_a_verb_after_a_colon_chooses_its_own_route(router):
    path = "/v1/projects/p/locations/l/customJobs/7"
    assert router.match("GET", path).params == {"name": path[4:]}
    cancel = router.match("POST", f"{path}:cancel")
    assert cancel.route.template.endswith(":cancel")
    assert cancel.params == {"name": path[4:]}


def test_a_colon_that_is_no_verb_belongs_to_the_name(router):
    assert router.match("GET", "/v1/b/bucket/o/run:cancelled").params["object"] == "run:cancelled"


def test_an_encoded_slash_stays_inside_its_segment(router):
    assert router.match("GET", "/v1/b/bucket/o/a%2Fb%20c").params == {"bucket": "bucket", "object": "a/b c"}


def test_a_project_number_becomes_the_project_id(router):
    match = router.match("POST", "/v1/projects/123456789012:getIamPolicy")
    assert match.params == {"project": "acme-recsys"}
    nested = router.match("GET", "/v1beta1/projects/123456789012/locations/l/customJobs/7")
    assert nested.params == {"name": "projects/acme-recsys/locations/l/customJobs/7"}


def test_every_version_and_the_bare_path_answer(router):
    for prefix in ("/svc/v1", "/svc/v1beta1", "/v1", "/v1beta1"):
        assert router.match("GET", f"{prefix}/projects/p/locations/l/customJobs/7")
    assert router.match("GET", "/v2/projects/p/locations/l/customJobs/7") is None


def test_a_rest_capture_takes_all_segments(router):
    assert router.match("GET", "/v1/files/a/b/c").params == {"path": "a/b/c"}


@pytest.mark.parametrize("path", ["/v1/b/bucket", "/v1/b//o", "/", "/v1/projects/p/locations/l/customJobs"])
def test_an_unknown_path_or_method_has_no_match(router, path):
    assert router.match("GET", path) is None


def test_two_services_cannot_claim_one_path():
    first = Service("first", [Route("GET", "/v1/{name=projects/*}", _handler)], ["/first"])
    second = Service("second", [Route("GET", "/v1/{project=projects/*}", _handler)], ["/second"])
    with pytest.raises(ValueError, match=r"GET /v1/\{project=projects/\*\} is declared by both 'first' and 'second'"):
        Router([first, second], str)
