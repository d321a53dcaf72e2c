"""The synthetic cohort that the demo runs on."""
