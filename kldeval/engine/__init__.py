"""Drives pairs through reading, normalising and measuring; streams one outcome per pair."""
