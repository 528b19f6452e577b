"""Components of the Home page."""
