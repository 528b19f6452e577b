import pytest

from pages.components.asking.notices import plain


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("![i](http://evil.example/x.png)", r"!\[i\](http\://evil.example/x.png)"),
        ("see www.evil.example or me@evil.example", r"see www\.evil.example or me\@evil.example"),
        ("<https://evil.example>", r"\<https\://evil.example>"),
        (":material/home: and $x^2$", r"\:material/home: and \$x^2\$"),
        ("C:\\[1]", r"C:\\\[1\]"),
        ("Its `recipes` must be a list: copy the link again.", "Its `recipes` must be a list: copy the link again."),
    ],
)
def test_what_somebody_else_wrote_makes_no_link_and_no_picture(text, said):
    assert plain(text) == said
