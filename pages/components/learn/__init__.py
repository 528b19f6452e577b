"""Components of the Learn page."""
