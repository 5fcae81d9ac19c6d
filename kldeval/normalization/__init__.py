"""From stored maps to densities: values, normalisation steps, chains of them."""
