"""The filter language of subscriptions, by the examples of its page and what that page forbids."""

import pytest

from local.cloud.pubsub.filters import FilterError, compiled


@pytest.mark.parametrize(
    ("text", "attributes", "passes"),
    [
        ("", {}, True),
        ("attributes:domain", {"domain": "com"}, True),
        ("attributes:domain", {}, False),
        ("NOT attributes:domain", {}, True),
        ("-attributes:domain", {"domain": ""}, False),
        ('attributes.domain = "com"', {"domain": "com"}, True),
        ('attributes.domain != "com"', {"domain": "org"}, True),
        ('attributes.domain != "com"', {}, False),
        ('attributes."odd key" = "a\\"b"', {"odd key": 'a"b'}, True),
        ('hasPrefix(attributes.domain, "co")', {"domain": "com"}, True),
        ('hasPrefix(attributes.domain, "")', {}, False),
        ("attributes:a AND (attributes:b OR attributes:c)", {"a": "", "c": ""}, True),
        ("attributes:a AND (attributes:b OR attributes:c)", {"b": "", "c": ""}, False),
        ("attributes:a OR attributes:b", {"b": ""}, True),
    ],
)
def test_a_filter_selects_by_attributes(text, attributes, passes):
    assert compiled(text)(attributes) is passes


@pytest.mark.parametrize(
    "text",
    [
        "data = 1",
        "attributes:a AND attributes:b OR attributes:c",
        "(attributes:a",
        "attributes:a attributes:b",
        "attributes.a = com",
        "hasPrefix(attributes.a)",
    ],
)
def test_what_is_no_filter_is_refused_with_its_text(text):
    with pytest.raises(FilterError) as refused:
        compiled(text)
    assert repr(text) in str(refused.value)
