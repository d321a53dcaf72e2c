"""Small helps around the stages: commands that no later stage reads from."""
