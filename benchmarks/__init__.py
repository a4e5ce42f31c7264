"""Figures as ratios of two things measured in the same run, alternating; results are asserted before they are timed."""
