"""What the course needs to know without torch: layers of the models, questions and how they are judged, arithmetic."""
