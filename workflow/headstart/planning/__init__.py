"""What `init` and `vary` use: how a folder is laid out, and how to train on it."""
