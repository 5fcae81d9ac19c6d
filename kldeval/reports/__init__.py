"""What runs, comparisons and audits found, as plain records; how it is summed up, tested and read back."""
