from xml.etree import ElementTree

import pytest

from tests.bench.plot import strip_chart

SVG = "{http://www.w3.org/2000/svg}"


def test_every_measurement_is_a_dot_and_every_kind_has_its_median() -> None:
    chart = ElementTree.fromstring(strip_chart({"warm": [0.03, 0.05, 0.04], "cold & slow": [2.0, 1.0, 3.0]}, title="t"))  # noqa: S314
    assert len(chart.findall(f"{SVG}circle")) == 6
    texts = [text.text for text in chart.findall(f"{SVG}text")]
    assert {"warm", "cold & slow", "40 ms", "2,000 ms"} <= set(texts)


@pytest.mark.parametrize("value", [0.01, 0.0123])
def test_one_value_alone_can_be_drawn(value: float) -> None:
    chart = ElementTree.fromstring(strip_chart({"only": [value]}, title="t"))  # noqa: S314
    dot = chart.find(f"{SVG}circle")
    assert dot is not None
    assert 0 < float(dot.get("cx", "0")) < 720
