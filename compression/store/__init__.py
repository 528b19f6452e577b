"""What is kept: results, answers, jobs and notes in SQL, files by their content. Torch-free."""
