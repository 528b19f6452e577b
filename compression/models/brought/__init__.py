"""What people bring, networks and images: taken in without harm, kept, and what is known of it. Torch-free."""
