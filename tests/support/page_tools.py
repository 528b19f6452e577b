"""What tests of pages share."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def progress(page):
    """What the page's progress bars and links say, which AppTest has no names for."""
    return [bar.proto.text for bar in page.get("progress")] + [link.proto.label for link in page.get("page_link")]


def checked(page):
    """The page, after making sure that it did not fail."""
    assert not page.exception, [error.message for error in page.exception]
    return page


def rerun(page):
    """The whole page after what was done to it.

    A moved control draws only parts of it, and AppTest knows nothing but what was drawn last: hence the second run.
    """
    checked(page.run())
    return checked(page.run())
