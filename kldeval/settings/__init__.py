"""What a run computes, as a record, and the text of its signature."""
