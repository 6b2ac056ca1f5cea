"""Trains a low-rank adapter for the demo's small model."""
