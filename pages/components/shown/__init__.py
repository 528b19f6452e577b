"""Tables and pictures that several pages show."""
