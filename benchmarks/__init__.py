"""How fast the package is, as ratios against peers timed in the same run."""
