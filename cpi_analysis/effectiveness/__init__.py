"""Does the intervention work: analysis sets and mixed-effects outcome models."""
