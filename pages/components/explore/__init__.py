"""Components of the Explore page."""
