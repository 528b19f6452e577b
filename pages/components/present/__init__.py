"""Components of the Present page."""
