"""docs/api.md says what the routes say."""

import pytest

from tests.contract import api_table


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory):
    return api_table.router_of(tmp_path_factory.mktemp("cloud"))


def test_the_table_is_up_to_date(router):
    again = "python -m tests.contract.api_table"
    assert api_table.TARGET.read_text() == api_table.render(router), f"write it anew: {again}"


def test_every_note_is_about_a_method_that_has_a_route(router):
    assert api_table.unknown_notes(router) == []


def test_a_verb_that_has_no_route_is_not_taken_for_a_name(router):
    api = {
        "base": "/",
        "methods": {"a": ["GET", "v1/projects/{p}:showEffectiveThing"], "b": ["GET", "v1/projects/{p}"]},
    }
    assert api_table.served(router, api) == {"b"}
