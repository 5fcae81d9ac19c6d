"""What is done to stored maps before any normalisation: grey values and one size."""
