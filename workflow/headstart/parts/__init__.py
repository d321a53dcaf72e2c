"""What the stages are built from; a part knows no stage."""
