"""Who does what, when: the queue, the workers, and what runs in them. Torch-free but for the workers."""
