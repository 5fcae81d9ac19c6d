"""The programs that kldeval is measured against."""
