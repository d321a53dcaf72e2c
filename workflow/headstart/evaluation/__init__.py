"""What predictions are worth: metrics, their intervals, and the baselines beside them."""
