import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.errors import ApiError
from local.cloud.related import Related


def _body(media, newline=b"\r\n", boundary=b"bound"):
    mark = b"--" + boundary
    parts = [mark, b"Content-Type: application/json", b"", b'{"name": "a"}', mark, b"Content-Type: text/x", b"", media]
    return newline.join([*parts, mark + b"--", b""])


def _chunks(data, sizes):
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@given(
    media=st.binary(max_size=300) | st.lists(st.sampled_from([b"\r\n", b"--bound", b"--", b"x", b"\n"])).map(b"".join),
    sizes=st.lists(st.integers(1, 40), max_size=20),
    newline=st.sampled_from([b"\r\n", b"\n"]),
)
def test_media_comes_out_as_it_went_in_however_it_is_cut(media, sizes, newline):
    if newline + b"--bound" in newline + media:
        return
    related = Related('multipart/related; boundary="bound"', _chunks(_body(media, newline), sizes))
    assert related.metadata == b'{"name": "a"}'
    assert related.media_type == "text/x"
    assert b"".join(related.media()) == media


def test_an_unquoted_boundary_with_spaces_of_its_own_ends_at_the_semicolon():
    related = Related("multipart/related; boundary=bound; charset=utf-8", iter([_body(b"m")]))
    assert b"".join(related.media()) == b"m"


@pytest.mark.parametrize("cut", [12, 30, 60, 90])
def test_a_body_that_ends_early_is_refused(cut):
    def read():
        related = Related("multipart/related; boundary=bound", iter([_body(b"media")[:-cut]]))
        return b"".join(related.media())

    with pytest.raises(ApiError, match="ends"):
        read()


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/related", ""])
def test_a_content_type_without_a_boundary_is_refused(content_type):
    with pytest.raises(ApiError, match="is not multipart/related with a boundary"):
        Related(content_type, iter([b""]))
