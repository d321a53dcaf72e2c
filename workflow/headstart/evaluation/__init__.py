"""What predictions are worth: pooled, with intervals, and beside those of cheap baselines."""
