"""Augmentation in TorchIO's words, on the training device: parse once, draw per scan, apply."""
