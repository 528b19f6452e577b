"""Work that a page asks for: jobs, inquiries, their progress and their problems."""
