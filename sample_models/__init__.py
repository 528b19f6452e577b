"""Sample models: what they are (`catalogue`, cheap to import), how they are built, and trained weights."""
