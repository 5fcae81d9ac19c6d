"""The rows of the table of conventions, by where they come from; every row of every module here is a convention."""
